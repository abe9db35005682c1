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
import {Amounts, OCTET_BYTES, Octets} from "./types/Octets.sol";
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

    // These four share a slot: a settlement reads the first two together, a hand-over all.
    /// @inheritdoc IVault
    address public service;
    /// @inheritdoc IVault
    uint32 public accountCount;
    /// @inheritdoc IVault
    uint32 public generation;
    uint32 private _serviceAccount;

    /// @dev What an address is to the Vault, in one slot: who joins pays for one.
    struct Party {
        uint32 account;
        /// @dev was in charge: a service that comes back would find its agreements, but not the locks behind them
        bool served;
        /// @dev the generation that set the lock: in any other there is none, so that a hand-over ends all locks at once
        uint32 lockedIn;
        /// @dev units
        uint64 lock;
    }

    mapping(address owner => Party) private _parties;

    /// @dev A fixed array rather than a mapping: neighbouring accounts share a word, and no key is hashed.
    Lanes[LANE_WORDS] private _balances;
    /// @dev What balances hold above their lanes, in 2^31 units.
    uint64[2 ** 32] private _higher;

    /// @dev The announced service and the unix time from which it may take over; 0 before the first announcement. None is
    /// announced when it is the service in charge: a slot that is never cleared costs less to write again.
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
        uint64 free = freeOf(msg.sender);
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
    function settle(bytes calldata postings, bytes calldata octets) external onlyService {
        int256 sum = _post(postings) + _postOctets(octets);
        if (sum != 0) revert NotZeroSum(sum);
        emit Settled(msg.sender, postings, octets);
    }

    /// @inheritdoc IVault
    function setLock(address owner, uint64 amount) external onlyService {
        Party storage party = _parties[owner];
        uint32 account = party.account;
        if (account == 0) revert NoAccount(owner);
        uint32 current = generation;
        (party.lockedIn, party.lock) = (current, amount);
        emit LockSet(account, current, amount);
    }

    // ------------------------------------------------------------------------------------------------ For the owner

    /// @inheritdoc IVault
    function announceHandOver(address next) external onlyOwner {
        if (next.code.length == 0 || address(IService(next).vault()) != address(this))
            revert NotAServiceOfThisVault(next);
        if (_parties[next].served) revert ServedBefore(next);
        uint256 notBefore = block.timestamp + (_nextNotBefore == 0 ? 0 : exitWindowSeconds);
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
        _passOn(_serviceAccount, nextAccount);
        (service, _serviceAccount) = (next, nextAccount);
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
        return _balanceIn(_balances[LanesLibrary.wordOf(account)], account);
    }

    /// @inheritdoc IVault
    function balancesOf(uint32[] calldata accounts) external view returns (uint64[] memory balances) {
        uint256 count = accounts.length;
        balances = new uint64[](count);
        uint256 word;
        Lanes lanes = _balances[0];
        for (uint256 i; i < count; ++i) {
            uint32 account = accounts[i];
            if (LanesLibrary.wordOf(account) != word) {
                word = LanesLibrary.wordOf(account);
                lanes = _balances[word];
            }
            balances[i] = _balanceIn(lanes, account);
        }
    }

    /// @inheritdoc IVault
    function lockOf(address owner) public view returns (uint64) {
        Party storage party = _parties[owner];
        return party.lockedIn == generation ? party.lock : 0;
    }

    /// @inheritdoc IVault
    function freeOf(address owner) public view returns (uint64) {
        (uint64 balance, uint64 lock) = (balanceOf(accountOf(owner)), lockOf(owner));
        return balance > lock ? balance - lock : 0;
    }

    // ------------------------------------------------------------------------------------------------------ Private

    /// @dev Applies postings to single accounts. A word is read when its first account comes up and written when an account
    /// of another does, so that a list sorted by account touches each word once.
    /// @return sum of the amounts.
    function _post(bytes calldata postings) private returns (int256 sum) {
        if (postings.length % POSTING_BYTES != 0) revert MalformedPostings(postings.length);
        uint256 count = postings.length / POSTING_BYTES;
        if (count == 0) return 0;
        uint256 known = accountCount;
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
        _balances[word] = lanes;
    }

    /// @dev Applies amounts to eight accounts at a time: all at once where all are open and every balance fits its lane.
    /// @return sum of the amounts.
    function _postOctets(bytes calldata octets) private returns (int256 sum) {
        if (octets.length % OCTET_BYTES != 0) revert MalformedOctets(octets.length);
        uint256 count = octets.length / OCTET_BYTES;
        uint256 known = accountCount;
        uint256 sums;
        // A word has 32 bits, and a list fits into calldata.
        unchecked {
            for (uint256 i; i < count; ++i) {
                (uint256 word, Amounts amounts) = Octets.at(octets, i);
                sums = Octets.addTo(sums, amounts);
                if (_areOpen(word, amounts, known)) {
                    (Lanes lanes, bool fits) = _balances[word].plus(amounts);
                    if (fits) {
                        _balances[word] = lanes;
                        continue;
                    }
                }
                _postOneByOne(word, amounts, known);
            }
        }
        return Octets.sumOf(sums, count);
    }

    /// @dev Whether all accounts with an amount in an octet are open.
    function _areOpen(uint256 word, Amounts amounts, uint256 known) private pure returns (bool) {
        unchecked {
            if (word == 0 && amounts.amount(0) != 0) return false;
            if (8 * word + 7 <= known) return true;
            return 8 * word <= known && amounts.beyond(known - 8 * word) == 0;
        }
    }

    /// @dev Applies an octet account by account.
    function _postOneByOne(uint256 word, Amounts amounts, uint256 known) private {
        for (uint256 lane; lane < 8; ++lane) {
            int256 amount = amounts.amount(lane);
            if (amount == 0) continue;
            _requireKnown(8 * word + lane, known);
            _balances[word] = _added(_balances[word], uint32(8 * word + lane), amount);
        }
    }

    /// @dev The word with an amount added to an account's lane; what does not fit there is carried on.
    function _added(Lanes lanes, uint32 account, int256 amount) private returns (Lanes) {
        uint64 balance = _balanceIn(lanes, account);
        int256 result;
        unchecked {
            result = int256(uint256(balance)) + amount; // an amount has 64 bits
        }
        if (result < 0) revert InsufficientBalance(account, uint256(-amount), balance);
        return _with(lanes, account, balance, uint256(result));
    }

    function _balanceIn(Lanes lanes, uint32 account) private view returns (uint64) {
        (uint256 low, bool more) = lanes.get(account);
        return uint64(more ? low | (uint256(_higher[account]) << LanesLibrary.LOW_BITS) : low);
    }

    /// @dev The word with another balance in an account's lane; what does not fit there is kept beside.
    function _with(Lanes lanes, uint32 account, uint256 before, uint256 balance) private returns (Lanes) {
        if (balance > type(uint64).max) revert BalanceOverflow(account, balance);
        uint256 higher = balance >> LanesLibrary.LOW_BITS;
        if (higher != before >> LanesLibrary.LOW_BITS) _higher[account] = uint64(higher);
        return lanes.set(account, balance);
    }

    function _setBalance(uint32 account, uint256 balance) private {
        uint256 word = LanesLibrary.wordOf(account);
        Lanes lanes = _balances[word];
        _balances[word] = _with(lanes, account, _balanceIn(lanes, account), balance);
    }

    function _requireKnown(uint256 account, uint256 known) private pure {
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
        bytes memory postings = PostingsLibrary.open(2);
        PostingsLibrary.put(postings, from, -int256(uint256(left)));
        PostingsLibrary.put(postings, to, int256(uint256(left)));
        _setBalance(from, 0);
        _setBalance(to, uint256(balanceOf(to)) + left);
        emit Settled(msg.sender, postings, "");
    }
}
