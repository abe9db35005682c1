// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IService} from "./interfaces/IService.sol";
import {IVault} from "./interfaces/IVault.sol";
import {LANE_WORDS, Lanes, LanesLibrary} from "./types/Lanes.sol";
import {Posting, POSTING_BYTES, PostingsLibrary} from "./types/Postings.sol";

/// @title Vault: double-entry accounts in one asset (see IVault).
/// @dev Needs no reentrancy guard: every balance is written before the asset moves, and a token must arrive in exactly
/// the amount credited, so that whatever a hook of the token calls in between, the books and the asset agree at the end.
contract Vault is IVault, Ownable2Step {
    using SafeERC20 for IERC20;

    // --------------------------------------------------------------------------------------------------- Immutables

    /// @inheritdoc IVault
    address public immutable asset;
    /// @inheritdoc IVault
    uint256 public immutable unit;
    /// @inheritdoc IVault
    uint32 public immutable exitWindowSeconds;

    // ------------------------------------------------------------------------------------------------------ Storage

    // These three share a slot: a settlement reads the first two together.
    /// @inheritdoc IVault
    address public service;
    /// @inheritdoc IVault
    uint32 public accountCount;
    /// @inheritdoc IVault
    uint32 public generation;

    /// @dev What an address is to the Vault.
    struct Party {
        uint32 account;
        /// @dev was in charge: a service that comes back would find its agreements, but not the locks behind them
        bool served;
    }

    mapping(address owner => Party) private _parties;

    /// @dev A fixed array rather than a mapping: neighbouring accounts share a word, and no key is hashed.
    Lanes[LANE_WORDS] private _balances;
    /// @dev Kept per generation, so that a hand-over ends all locks at once.
    mapping(uint32 generation => Lanes[LANE_WORDS]) private _locks;

    /// @dev The announced service and the unix time from which it may take over. None is announced when it is the service
    /// in charge: a slot that is never cleared costs less to write again.
    address private _next;
    uint64 private _nextNotBefore;

    // -------------------------------------------------------------------------------------------------- Constructor

    /// @param owner who may hand the Vault over: a timelock or a multisig.
    /// @param asset_ a token, or the zero address for the native coin.
    /// @param unit_ the asset's smallest parts in one unit.
    /// @param exitWindowSeconds_ how long an announced hand-over waits.
    constructor(address owner, address asset_, uint256 unit_, uint32 exitWindowSeconds_) Ownable(owner) {
        if (unit_ == 0) revert ZeroAmount();
        asset = asset_;
        unit = unit_;
        exitWindowSeconds = exitWindowSeconds_;
    }

    modifier onlyService() {
        if (msg.sender != service) revert NotService(service, msg.sender);
        _;
    }

    // --------------------------------------------------------------------------------------------- For every party

    /// @inheritdoc IVault
    function deposit(address party, uint64 amount) external payable returns (uint32 account) {
        if (amount == 0) revert ZeroAmount();
        account = _open(party);
        _setBalance(account, uint256(balanceOf(account)) + amount);
        emit Deposited(account, msg.sender, amount);
        _receive(uint256(amount) * unit);
    }

    /// @inheritdoc IVault
    function withdraw(uint64 amount, address payable to) external {
        if (amount == 0) revert ZeroAmount();
        if (to == address(0)) revert ZeroAddress();
        if (to == address(this)) revert WithdrawalToVault();
        uint32 account = accountOf(msg.sender);
        if (account == 0) revert NoAccount(msg.sender);
        uint64 free = freeOf(account);
        if (amount > free) revert InsufficientFree(account, amount, free);

        _setBalance(account, balanceOf(account) - amount);
        emit Withdrawn(account, to, amount);
        if (asset == address(0)) Address.sendValue(to, uint256(amount) * unit);
        else IERC20(asset).safeTransfer(to, uint256(amount) * unit);
    }

    /// @inheritdoc IVault
    function openAccount(address owner) external returns (uint32 account) {
        return _open(owner);
    }

    // ---------------------------------------------------------------------------------------------- For the service

    /// @inheritdoc IVault
    function settle(bytes calldata postings) external onlyService {
        _post(postings);
        emit Settled(msg.sender, postings);
    }

    /// @inheritdoc IVault
    function setLock(uint32 account, uint64 amount) external onlyService {
        _requireKnown(account, accountCount);
        uint32 current = generation;
        uint256 word = LanesLibrary.wordOf(account);
        _locks[current][word] = _locks[current][word].set(account, amount);
        emit LockSet(account, current, amount);
    }

    // ------------------------------------------------------------------------------------------------ For the owner

    /// @inheritdoc IVault
    function announceHandOver(address next) external onlyOwner {
        if (next.code.length == 0 || address(IService(next).vault()) != address(this))
            revert NotAServiceOfThisVault(next);
        if (_parties[next].served) revert ServedBefore(next);
        uint256 notBefore = block.timestamp + (service == address(0) ? 0 : exitWindowSeconds);
        _next = next;
        _nextNotBefore = uint64(notBefore);
        emit HandOverAnnounced(next, notBefore);
    }

    /// @inheritdoc IVault
    function cancelHandOver() external onlyOwner {
        address next = _next;
        if (next == service) revert NoHandOverAnnounced();
        _next = service;
        emit HandOverCancelled(next);
    }

    /// @inheritdoc IVault
    function handOver() external onlyOwner {
        (address previous, address next) = (service, _next);
        if (next == previous) revert NoHandOverAnnounced();
        if (block.timestamp < _nextNotBefore) revert HandOverTooEarly(_nextNotBefore, block.timestamp);

        uint32 nextAccount = _open(next);
        _passOn(accountOf(previous), nextAccount);
        service = next;
        _parties[next].served = true;
        uint32 current = ++generation;
        emit HandedOver(previous, next, current);
    }

    // -------------------------------------------------------------------------------------------------------- Views

    /// @inheritdoc IVault
    function pendingHandOver() external view returns (address next, uint64 notBefore) {
        return _next == service ? (address(0), 0) : (_next, _nextNotBefore);
    }

    /// @inheritdoc IVault
    function accountOf(address owner) public view returns (uint32) {
        return _parties[owner].account;
    }

    /// @inheritdoc IVault
    function balanceOf(uint32 account) public view returns (uint64) {
        return _balances[LanesLibrary.wordOf(account)].get(account);
    }

    /// @inheritdoc IVault
    function balancesOf(uint32[] calldata accounts) external view returns (uint64[] memory balances) {
        uint256 count = accounts.length;
        balances = new uint64[](count);
        for (uint256 i; i < count; ++i) balances[i] = balanceOf(accounts[i]);
    }

    /// @inheritdoc IVault
    function lockOf(uint32 account) public view returns (uint64) {
        return _locks[generation][LanesLibrary.wordOf(account)].get(account);
    }

    /// @inheritdoc IVault
    function freeOf(uint32 account) public view returns (uint64) {
        (uint64 balance, uint64 lock) = (balanceOf(account), lockOf(account));
        return balance > lock ? balance - lock : 0;
    }

    // ------------------------------------------------------------------------------------------------------ Private

    /// @dev Applies the postings. Each storage word is read when its first account comes up and written when the next
    /// word's does, so that a list sorted by account touches each word once.
    function _post(bytes calldata postings) private {
        if (postings.length % POSTING_BYTES != 0) revert MalformedPostings(postings.length);
        uint256 count = postings.length / POSTING_BYTES;
        if (count == 0) return;
        uint256 known = accountCount;
        int256 sum;
        uint256 word = LanesLibrary.wordOf(PostingsLibrary.at(postings, 0).account());
        Lanes lanes = _balances[word];
        for (uint256 i; i < count;) {
            Posting posting = PostingsLibrary.at(postings, i);
            uint32 account = posting.account();
            _requireKnown(account, known);
            uint256 wordOfAccount = LanesLibrary.wordOf(account);
            if (wordOfAccount != word) {
                _balances[word] = lanes;
                word = wordOfAccount;
                lanes = _balances[word];
            }
            int64 amount = posting.amount();
            lanes = _added(lanes, account, amount);
            unchecked {
                sum += amount; // 64 bits each, and not 2^192 of them
                ++i;
            }
        }
        if (sum != 0) revert NotZeroSum(sum);
        _balances[word] = lanes;
    }

    function _added(Lanes lanes, uint32 account, int64 amount) private pure returns (Lanes) {
        uint64 balance = lanes.get(account);
        int256 result;
        unchecked {
            result = int256(uint256(balance)) + amount;
        }
        // Below zero it is above as well, without its sign.
        if (uint256(result) > type(uint64).max) {
            if (result < 0) revert InsufficientBalance(account, uint256(-int256(amount)), balance);
            revert BalanceOverflow(account, uint256(result));
        }
        return lanes.set(account, uint64(uint256(result)));
    }

    function _setBalance(uint32 account, uint256 balance) private {
        if (balance > type(uint64).max) revert BalanceOverflow(account, balance);
        uint256 word = LanesLibrary.wordOf(account);
        _balances[word] = _balances[word].set(account, uint64(balance));
    }

    function _requireKnown(uint32 account, uint256 known) private pure {
        if (account == 0 || account > known) revert UnknownAccount(account);
    }

    function _open(address owner) private returns (uint32 account) {
        account = accountOf(owner);
        if (account != 0) return account;
        if (owner == address(0)) revert ZeroAddress();
        account = ++accountCount;
        _parties[owner].account = account;
        emit AccountOpened(account, owner);
    }

    /// @dev Takes exactly `expected` of the asset from the caller, or reverts.
    function _receive(uint256 expected) private {
        if (asset == address(0)) {
            if (msg.value != expected) revert WrongValue(expected, msg.value);
            return;
        }
        if (msg.value != 0) revert WrongValue(0, msg.value);
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), expected);
        uint256 received = IERC20(asset).balanceOf(address(this)) - before;
        if (received != expected) revert WrongValue(expected, received);
    }

    /// @dev A retired service holds nothing. One replaced in an emergency may: its successor inherits that.
    function _passOn(uint32 from, uint32 to) private {
        uint64 left = from == 0 ? 0 : balanceOf(from);
        if (left == 0 || from == to) return;
        bytes memory postings = PostingsLibrary.list(2);
        PostingsLibrary.put(postings, 0, from, -int256(uint256(left)));
        PostingsLibrary.put(postings, 1, to, int256(uint256(left)));
        _setBalance(from, 0);
        _setBalance(to, uint256(balanceOf(to)) + left);
        emit Settled(msg.sender, postings);
    }
}
