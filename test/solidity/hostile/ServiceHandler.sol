// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IRegistry} from "../../../contracts/interfaces/IRegistry.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Notes} from "../Notes.sol";
import {Cast} from "../system/Cast.sol";
import {VM} from "../Vm.sol";
import {HostileService} from "./HostileService.sol";

/// @title ServiceHandler: services that settle and lock what they like, in charge, before that and after it; and the
/// accounts as they must be, kept in the plainest way.
contract ServiceHandler is Cast, Notes {
    /// @dev A settlement: some postings, and an octet of the accounts 0 to 7.
    struct List {
        uint256[3] accounts;
        int256[3] amounts;
        int256[8] octet;
    }

    uint256 public constant PARTIES = 10;

    IVault private immutable _vault;
    IRegistry private immutable _registry;

    HostileService[] private _services;
    mapping(uint256 account => uint256) private _balance;
    mapping(address owner => uint256) private _lock;

    constructor(IVault vault, IRegistry registry) {
        (_vault, _registry) = (vault, registry);
        for (uint256 i; i < PARTIES; ++i) vault.openAccount(partyAt(i));
        _services.push(new HostileService(vault));
    }

    /// @dev After each action the accounts are as this contract has them.
    modifier watched() {
        _;
        for (uint32 account = 1; account <= _vault.accountCount(); ++account) {
            _note(_vault.balanceOf(account) == _balance[account], "I9: an account's balance");
        }
        for (uint256 i; i < PARTIES; ++i)
            _note(_vault.lockOf(partyAt(i)) == _lock[partyAt(i)], "I12: a lock");
    }

    // --------------------------------------------------------------------------------------------------------- Money

    /// @notice Somebody pays into the account of a party or of a service.
    function deposit(uint256 seed) external watched {
        uint256 who = _random(seed, 2) % (PARTIES + _services.length);
        address party = who < PARTIES ? partyAt(who) : address(_services[who - PARTIES]);
        uint64 amount = uint64(_within(_random(seed, 1), 1, seed % 4 == 0 ? 2 ** 33 : 100_000));
        VM.deal(OUTSIDER, amount * UNIT);
        VM.prank(OUTSIDER);
        _balance[_vault.deposit{value: amount * UNIT}(party, amount)] += amount;
    }

    /// @notice A party takes out what is free, whatever the service makes of it.
    function withdraw(uint256 seed) external watched {
        address party = partyAt((seed >> 8) % PARTIES);
        uint64 amount = _vault.freeOf(party);
        if (seed % 4 == 0) amount = uint64(_within(_random(seed, 1), 0, amount));
        if (amount == 0) return;
        uint256 before = party.balance;
        VM.prank(party);
        try _vault.withdraw(amount, payable(party)) {
            _balance[_vault.accountOf(party)] -= amount;
            _note(party.balance == before + amount * UNIT, "I7: received what was withdrawn");
            _count("withdrawal");
        } catch {
            _note(false, "I7: what is free can be withdrawn");
        }
    }

    /// @notice A service takes out what it has gathered in its own account, and settles once more while it is paid.
    function cashIn(uint256 seed) external watched {
        HostileService service = _serviceAt(seed);
        uint32 account = _vault.accountOf(address(service));
        uint64 amount = _vault.freeOf(address(service));
        List memory list = _list(seed, account);
        service.plan(_settling(list));
        if (!service.perform(abi.encodeCall(IVault.withdraw, (amount, payable(address(service)))))) return;
        _balance[account] -= amount;
        _count("service paid");
        if (service.struck()) _applied(service, list, "settled while paid");
    }

    // -------------------------------------------------------------------------------------------------- Instructions

    /// @notice A service settles a list: one that it may, or any of those that it must not get through.
    function instruct(uint256 seed) external watched {
        HostileService service = _serviceAt(seed);
        List memory list = _list(seed, _vault.accountOf(address(service)));
        if (service.perform(_settling(list))) _applied(service, list, "settled");
        else if (_inCharge(service)) _count("settlement refused");
        else _count("settlement of another refused");
    }

    /// @notice A service locks what it likes, up to all there can be.
    function lock(uint256 seed) external watched {
        HostileService service = _serviceAt(seed);
        address owner = partyAt((seed >> 8) % PARTIES);
        uint64 amount = seed % 3 == 0 ? type(uint64).max : uint64(_within(_random(seed, 1), 0, 1e6));
        bool done = service.perform(abi.encodeCall(IVault.setLock, (owner, amount)));
        _note(done == _inCharge(service), "I11: who may lock");
        if (!done) return;
        _lock[owner] = amount;
        _count("lock");
    }

    /// @dev Notes what went through: it must have been the service in charge's, and right.
    function _applied(HostileService service, List memory list, string memory what) private {
        _note(_inCharge(service), "I11: somebody else settled");
        _count(what);
        int256 sum;
        for (uint256 i; i < list.accounts.length; ++i) sum += _added(list.accounts[i], list.amounts[i]);
        for (uint256 lane; lane < 8; ++lane) sum += _added(lane, list.octet[lane]);
        _note(sum == 0, "I9: a settlement that does not sum to zero");
    }

    function _added(uint256 account, int256 amount) private returns (int256) {
        int256 result = int256(_balance[account]) + amount;
        bool known = account > 0 && account <= _vault.accountCount();
        _note(known || amount == 0, "I9: an account that is not there");
        _note(result >= 0 && result < 2 ** 64, "I9: an account below zero, or beyond its bits");
        _balance[account] = uint256(result);
        return amount;
    }

    /// @param own the service's account.
    function _list(uint256 seed, uint32 own) private view returns (List memory list) {
        uint256 kind = _random(seed, 10) % 16;
        uint32 victim = 1 + uint32(_random(seed, 11) % PARTIES);
        int256 held = int256(_balance[victim]);
        int256 part = int256(_within(_random(seed, 12), 0, uint256(held)));
        int256 most = type(int64).max;
        if (kind == 0) return _two(victim, -held, own, held);
        if (kind == 1) return _two(victim, -held - 1, own, held + 1); // a unit more than there is
        if (kind == 2) return _two(own, part + 1, own, 0); // out of nothing
        if (kind == 3) return _two(victim, -part, own, part - 1); // into nothing
        if (kind == 4) return _two(victim, -part, _vault.accountCount() + 1, part); // to nobody
        if (kind == 5) return _two(0, -part, own, part); // from nobody
        if (kind == 6) return _two(own, -int256(_balance[own]) - 1, own, int256(_balance[own]) + 1); // in between
        if (kind == 7) {
            list = _two(victim, most, own, most); // zero in 64 bits
            list.amounts[2] = 2;
        } else if (kind == 8) {
            list = _two(own, 0, own, 0);
            (list.octet[1], list.octet[2], list.octet[3]) = (2 ** 31 - 1, 2 ** 31 - 1, 2); // zero in 32 bits
        } else {
            // A little of each of seven neighbours; or of one more than there is.
            list = _two(own, 0, own, 0);
            for (uint256 lane = 1; lane < 8; ++lane) {
                uint256 there = _balance[lane] < 2 ** 31 ? _balance[lane] : 2 ** 31 - 1;
                int256 taken = int256(_within(_random(seed, lane), 0, there));
                if (kind == 10 && lane == victim && there < 2 ** 31 - 1) taken = int256(there + 1);
                list.octet[lane] = -taken;
                list.amounts[0] += taken;
            }
        }
    }

    function _two(
        uint256 first,
        int256 firstAmount,
        uint256 second,
        int256 secondAmount
    ) private pure returns (List memory list) {
        list.accounts = [first, second, second];
        list.amounts = [firstAmount, secondAmount, int256(0)];
    }

    /// @dev The call that settles a list, written as the interface describes it.
    function _settling(List memory list) private pure returns (bytes memory) {
        bytes memory postings;
        for (uint256 i; i < list.accounts.length; ++i) {
            bytes8 amount = bytes8(uint64(int64(list.amounts[i])));
            postings = bytes.concat(postings, bytes4(uint32(list.accounts[i])), amount);
        }
        bytes memory octet;
        for (uint256 lane; lane < 8; ++lane)
            octet = bytes.concat(bytes4(uint32(int32(list.octet[lane]))), octet);
        return abi.encodeCall(IVault.settle, (postings, bytes.concat(bytes4(0), octet)));
    }

    // ------------------------------------------------------------------------------------------------------ Governance

    /// @notice The owner hands over to a new service, or tries to bring one back.
    function handOver(uint256 seed) external watched {
        bool fresh = seed % 4 != 0;
        HostileService next = fresh ? new HostileService(_vault) : _serviceAt(_random(seed, 1));
        VM.prank(OWNER);
        try _vault.announceHandOver(address(next)) {
            _note(fresh, "I12: a former service was announced");
        } catch {
            _note(!fresh, "a new service was refused");
            _count("former service refused");
            return;
        }
        (, uint64 notBefore) = _vault.pendingHandOver();
        _warpTo(notBefore - (seed % 8 == 2 ? 1 : 0));
        HostileService former = HostileService(payable(_vault.service()));
        VM.prank(OWNER);
        try _vault.handOver() {
            _note(_now() >= notBefore, "I7: handed over within the exit window");
            _services.push(next);
            _succeed(former, next);
        } catch {
            _note(_now() < notBefore, "I12: a service stands in the way of its successor");
        }
    }

    /// @dev All locks have ended, what the former service's account held has passed on, and the Registry knows.
    function _succeed(HostileService former, HostileService next) private {
        _count("hand-over");
        for (uint256 i; i < PARTIES; ++i) _lock[partyAt(i)] = 0;
        (uint32 from, uint32 to) = (_vault.accountOf(address(former)), _vault.accountOf(address(next)));
        (_balance[to], _balance[from]) = (_balance[to] + _balance[from], 0);
        VM.prank(OWNER);
        _registry.register(address(next));
        VM.prank(OWNER);
        try _registry.register(address(former)) {
            _note(false, "I12: a former service was registered");
        } catch {}
    }

    /// @notice Whether no service but the one in charge can settle, not even nothing, or lock.
    function othersDoNothing() external returns (bool) {
        bytes memory settling = _settling(_two(1, 0, 2, 0));
        bytes memory locking = abi.encodeCall(IVault.setLock, (partyAt(0), 0));
        for (uint256 i; i < _services.length; ++i) {
            if (_inCharge(_services[i])) continue;
            if (_services[i].perform(settling) || _services[i].perform(locking)) return false;
        }
        return true;
    }

    // ------------------------------------------------------------------------------------------------------------ Who

    function partyAt(uint256 index) public pure returns (address) {
        return address(uint160(0xfa000000 + index));
    }

    /// @notice The service that is to be the first in charge.
    function firstService() external view returns (address) {
        return address(_services[0]);
    }

    /// @dev The newest half of the time, as it is the one in charge; else any.
    function _serviceAt(uint256 seed) private view returns (HostileService) {
        uint256 count = _services.length;
        return _services[seed % 2 == 0 ? count - 1 : (seed >> 8) % count];
    }

    function _inCharge(HostileService service) private view returns (bool) {
        return address(service) == _vault.service();
    }
}
