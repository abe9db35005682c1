// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Vault: keeps every party's account and the money, for as long as the system lives.
/// @notice Double-entry bookkeeping in one asset. Money comes in by `deposit` and goes out by `withdraw`; in between
/// only the current service moves it, and only by lists of postings that sum to zero.
///
/// Amounts are whole *units*: one unit is `unit()` of the asset's smallest parts (1 gwei of the native coin, 1e-6 of a
/// token). An account is a number from 1 up, opened once per address and never reassigned.
interface IVault {
    // ------------------------------------------------------------------------------------------------------- Errors

    /// @notice Only the current service may call this.
    error NotService(address expected, address received);
    /// @notice There is no account of this number.
    error UnknownAccount(uint256 account);
    /// @notice There is no account of this address: deposit first.
    error NoAccount(address owner);
    /// @notice An account cannot be opened for the zero address.
    error ZeroAddress();
    /// @notice An account would fall below zero. @param expected what is taken. @param received what is there.
    error InsufficientBalance(uint32 account, uint256 expected, uint256 received);
    /// @notice More is withdrawn than lies above the lock. @param expected what is asked. @param received what is free.
    error InsufficientFree(uint32 account, uint256 expected, uint256 received);
    /// @notice An account would rise above what 64 bits can hold.
    error BalanceOverflow(uint32 account, uint256 balance);
    /// @notice A list of postings must sum to zero.
    error NotZeroSum(int256 sum);
    /// @notice A list of postings is not a whole number of 12-byte postings.
    error MalformedPostings(uint256 length);
    /// @notice A list of octets is not a whole number of 36-byte octets.
    error MalformedOctets(uint256 length);
    /// @notice The asset received is not the amount stated, in the asset's smallest parts: wrong coin value, coins sent
    /// to a token vault, or a token that takes a fee on transfer.
    error WrongValue(uint256 expected, uint256 received);
    /// @notice Nothing to deposit or to withdraw.
    error ZeroAmount();
    /// @notice A service must be a contract that names this Vault as its own.
    error NotAServiceOfThisVault(address service);
    /// @notice A service that was in charge before, or is now, cannot be announced again: its locks have ended.
    error ServedBefore(address service);
    /// @notice What the Vault sends to itself would be in nobody's account.
    error WithdrawalToVault();
    /// @notice No hand-over is announced.
    error NoHandOverAnnounced();
    /// @notice The exit window of the announced hand-over is not over. Both in unix seconds.
    error HandOverTooEarly(uint256 expected, uint256 received);

    // ------------------------------------------------------------------------------------------------------- Events

    event AccountOpened(uint32 indexed account, address indexed owner);
    event Deposited(uint32 indexed account, address indexed from, uint64 amount);
    event Withdrawn(uint32 indexed account, address indexed to, uint64 amount);
    /// @notice The service moved money. @param postings 12 bytes each: account (4), signed amount in units (8).
    /// @param octets 36 bytes each: word (4), signed amounts in units of the accounts 8 * word + 7 down to 8 * word (4 each)
    event Settled(address indexed service, bytes postings, bytes octets);
    /// @notice The locked part of an account, in units; locks end with the generation of the service that set them.
    event LockSet(uint32 indexed account, uint32 indexed generation, uint64 amount);
    event HandOverAnnounced(address indexed next, uint256 notBefore);
    event HandOverCancelled(address indexed next);
    event HandedOver(address indexed previous, address indexed next, uint32 generation);

    // --------------------------------------------------------------------------------------------- For every party

    /// @notice Puts money into the account of `party`, opening it if need be.
    /// @param amount units. Native coin: the value sent must be exactly `amount * unit()`. Token: pulled from the
    /// caller, who has approved it; no value may be sent.
    /// @return account the number of the party's account.
    function deposit(address party, uint64 amount) external payable returns (uint32 account);

    /// @notice Takes money out of the caller's account; what is locked stays. Nobody can block this for another.
    /// @param amount units. @param to who receives the asset.
    function withdraw(uint64 amount, address payable to) external;

    /// @notice The account of `owner`, opened if there is none yet.
    function openAccount(address owner) external returns (uint32 account);

    // ---------------------------------------------------------------------------------------------- For the service

    /// @notice Moves money between accounts, postings first. All amounts together must sum to zero; no account may fall below
    /// zero, not in between either.
    /// @param postings single accounts, 12 bytes each: account (uint32), amount in units (int64). Sorted ones cost least.
    /// @param octets the eight accounts that share a storage word, 36 bytes each: word (uint32), then amounts in units
    /// (int32 each) of the accounts 8 * word + 7 down to 8 * word
    function settle(bytes calldata postings, bytes calldata octets) external;

    /// @notice Sets the part of an owner's account, in units, that cannot be withdrawn; 0 frees all.
    function setLock(address owner, uint64 amount) external;

    // ------------------------------------------------------------------------------------------------ For the owner

    /// @notice Announces the next service. The exit window starts, in which every party may withdraw. The very first
    /// announcement needs no window: there is nobody to protect yet.
    function announceHandOver(address next) external;

    /// @notice Takes an announcement back.
    function cancelHandOver() external;

    /// @notice Hands the Vault to the announced service, once the exit window is over. All locks of the old service
    /// end, and what its own account still holds passes to the new one's. Costs the same for any number of accounts.
    function handOver() external;

    // -------------------------------------------------------------------------------------------------------- Views

    /// @notice The asset: a token, or the zero address for the native coin.
    function asset() external view returns (address);
    /// @notice How many of the asset's smallest parts make one unit.
    function unit() external view returns (uint256);
    /// @notice How long an announced hand-over must wait, in seconds.
    function exitWindowSeconds() external view returns (uint32);
    /// @notice The current service; zero before the first.
    function service() external view returns (address);
    /// @notice How many services have been handed the Vault.
    function generation() external view returns (uint32);
    /// @notice The announced service and when, in unix seconds, it may take over; zeros without one.
    function pendingHandOver() external view returns (address next, uint64 notBefore);
    /// @notice The number of accounts; they are 1 to this number.
    function accountCount() external view returns (uint32);
    /// @notice The account of an address; 0 if it has none.
    function accountOf(address owner) external view returns (uint32);
    /// @notice What an account holds, in units.
    function balanceOf(uint32 account) external view returns (uint64);
    /// @notice What several accounts hold, in units, in the same order.
    function balancesOf(uint32[] calldata accounts) external view returns (uint64[] memory);
    /// @notice The lock of an owner's account, in units. It may exceed the balance; then all of the balance is locked.
    function lockOf(address owner) external view returns (uint64);
    /// @notice What an owner may withdraw from its account now, in units.
    function freeOf(address owner) external view returns (uint64);
}
