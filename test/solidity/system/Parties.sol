// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {VM} from "../Vm.sol";
import {Journal} from "./Journal.sol";

/// @title Parties: how money comes and goes, and how DERs join, are commissioned, leave and close.
abstract contract Parties is Journal {
    /// @dev Keys of meters count up from here; each commissioning may bring a new one.
    uint256 private constant FIRST_METER_KEY = 0x5eed0000;

    mapping(address meter => uint256) internal _keyOfMeter;
    uint256 private _meters;

    // ------------------------------------------------------------------------------------------------------- Money

    /// @notice A party pays in; or a stranger does, into any account, ARIA's own included.
    function deposit(uint256 seed) external watched(Act.Other) {
        uint64 amount = uint64(_within(_random(seed, 1), 1, 400_000));
        uint256 who = seed % 4 == 0 ? DERS + 3 + ((seed >> 8) % 2) : (seed >> 8) % (DERS + 3);
        if (who == DERS + 4) _force(amount);
        else if (who == DERS + 3) _donate(amount);
        else _deposit(_partyAt(who), OUTSIDER, who == DERS ? amount * 1000 : amount);
    }

    /// @notice A party takes out some, all or more than is free.
    function withdraw(uint256 seed) external watched(Act.Other) {
        address party = _partyAt(seed % (DERS + 3));
        uint64 free = VAULT.freeOf(party);
        uint64 amount = uint64(_within(_random(seed, 1), 0, uint256(free) / 4));
        if (seed % 5 == 0) amount = free;
        if (seed % 7 == 0) amount = free + 1;
        uint256 before = party.balance;
        VM.prank(party);
        try VAULT.withdraw(amount, payable(party)) {
            _note(amount <= free, "I7: withdrawn more than was free");
            _note(party.balance == before + amount * UNIT, "I7: received what was withdrawn");
            _count("withdrawal");
        } catch {
            _note(amount == 0 || amount > free, "I7: what is free can be withdrawn");
        }
    }

    /// @notice The Aggregator's bond: filled up and posted, or taken back.
    function bond(uint256 seed) external watched(Act.Other) {
        uint64 balance = VAULT.balanceOf(TARGET.aggregatorAccount());
        if (seed % 8 != 0) {
            uint64 missing = balance < AGGREGATOR_BOND ? AGGREGATOR_BOND - balance : 0;
            if (missing > 0) {
                VM.deal(address(this), missing * UNIT);
                VAULT.deposit{value: missing * UNIT}(AGGREGATOR, missing);
            }
            VM.prank(AGGREGATOR);
            TARGET.postBond();
            return;
        }
        bool open = TARGET.openRequests() > 0;
        VM.prank(AGGREGATOR);
        try TARGET.releaseBond() {
            _note(!open, "bond released with requests open");
            _count("bond released");
        } catch {
            _note(open, "bond kept with no request open");
        }
    }

    // --------------------------------------------------------------------------------------------------- Agreements

    /// @notice A DER applies, with as much as it needs or a little less.
    function join(uint256 seed) external watched(Act.Join) {
        address der = _der(_startingWith(seed, IARIATypes.AgreementStatus.None));
        if (seed % 2 == 0) der = _der(_startingWith(seed, IARIATypes.AgreementStatus.Closed));
        uint32 powerW = uint32(_within(_random(seed, 1), 950, 10_000));
        uint32 price = uint32(_within(_random(seed, 2), 1, 301_000));
        uint256 due = (uint256(powerW) * _criteria().depositPerKw + 999) / 1000;
        uint256 value = seed % 9 == 0 ? due - 1 : due + (_random(seed, 3) % 100_000);
        uint256 prospective = prospectiveCount();
        VM.deal(der, value * UNIT);
        VM.prank(der);
        try TARGET.join{value: value * UNIT}(powerW, price, _newMeter()) {
            _note(!TARGET.paused(), "joined in a pause");
            _note(prospective < MAX_PROSPECTIVE, "I8: more prospective than may be");
            _note(powerW >= 1000 && price <= 300_000, "joined outside the criteria");
            _count("join");
        } catch (bytes memory reason) {
            bool full = bytes4(reason) == IARIATypes.TooManyProspective.selector;
            _note(full == (prospective >= MAX_PROSPECTIVE) || !full, "I8: turned away with places free");
        }
    }

    /// @notice The Operator commissions who waits, replaces a meter, or turns one away.
    function commission(uint256 seed) external watched(Act.Commission) {
        IARIATypes.Commissioning[] memory list = new IARIATypes.Commissioning[](1);
        list[0].der = _der(_startingWith(seed, IARIATypes.AgreementStatus.Prospective));
        list[0].meter = _newMeter();
        VM.prank(OPERATOR);
        if (seed % 4 == 0) {
            try TARGET.reject(list[0].der) {
                _count("rejection");
            } catch {}
            return;
        }
        try TARGET.commission(list) {
            _count("commissioning");
        } catch {}
    }

    /// @notice A DER announces that it leaves, closes after that, or withdraws its application.
    function depart(uint256 seed) external watched(Act.Depart) {
        if (seed % 3 == 0) {
            VM.prank(_der(_startingWith(seed, IARIATypes.AgreementStatus.Active)));
            try TARGET.leave() {
                _count("leave");
            } catch {}
            return;
        }
        address der = _der(_startingWith(seed, IARIATypes.AgreementStatus.Leaving));
        IARIATypes.AgreementView memory agreement = TARGET.agreementOf(VAULT.accountOf(der));
        uint256 notBefore = uint256(agreement.untilEpoch) * EPOCH_SECONDS + _rules().sweepWindowSeconds + 1;
        VM.prank(der);
        try TARGET.close() {
            _note(_now() >= notBefore, "closed while it could be swept");
            _note(VAULT.lockOf(der) == 0, "closed but locked");
            _count("close");
        } catch {}
    }

    /// @notice A DER adds to its deposit.
    function topUp(uint256 seed) external watched(Act.Other) {
        address der = _der(seed % DERS);
        uint256 value = (_random(seed, 1) % 500_000) * UNIT;
        VM.deal(der, value);
        VM.prank(der);
        try TARGET.topUp{value: value}() {
            _count("top-up");
        } catch {}
    }

    // ------------------------------------------------------------------------------------------------------- Who

    /// @notice The true number of agreements that wait for commissioning.
    function prospectiveCount() public view returns (uint256 count) {
        for (uint256 i; i < DERS; ++i) {
            if (_statusOf(i) == IARIATypes.AgreementStatus.Prospective) ++count;
        }
    }

    /// @notice Everybody who can hold an account but ARIA: DERs first.
    function partyAt(uint256 index) external pure returns (address) {
        return _partyAt(index);
    }

    function _partyAt(uint256 index) internal pure returns (address) {
        if (index < DERS) return _der(index);
        if (index == DERS) return OPERATOR;
        return index == DERS + 1 ? AGGREGATOR : OUTSIDER;
    }

    function _der(uint256 index) internal pure returns (address) {
        return address(uint160(0xde000000) + uint160(index));
    }

    function _statusOf(uint256 index) internal view returns (IARIATypes.AgreementStatus) {
        uint32 account = VAULT.accountOf(_der(index));
        return TARGET.agreementOf(account).status;
    }

    /// @dev A DER of this status, if there is one, else any.
    function _startingWith(
        uint256 seed,
        IARIATypes.AgreementStatus status
    ) internal view returns (uint256 index) {
        for (uint256 i; i < DERS; ++i) {
            index = addmod(seed, i, DERS);
            if (_statusOf(index) == status) return index;
        }
        return seed % DERS;
    }

    function _deposit(address party, address from, uint64 amount) internal {
        VM.deal(from, amount * UNIT);
        VM.prank(from);
        VAULT.deposit{value: amount * UNIT}(party, amount);
    }

    function _donate(uint64 amount) private {
        donated += amount;
        _deposit(address(TARGET), OUTSIDER, amount);
        _count("donation");
    }

    /// @dev As a contract that destroys itself, or a block's reward, can.
    function _force(uint256 coins) private {
        forced += coins;
        VM.deal(address(VAULT), address(VAULT).balance + coins);
    }

    function _newMeter() private returns (address meter) {
        uint256 key = FIRST_METER_KEY + ++_meters;
        meter = VM.addr(key);
        _keyOfMeter[meter] = key;
    }
}
