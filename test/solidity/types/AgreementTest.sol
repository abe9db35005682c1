// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Agreement, AgreementLibrary, MAX_EPOCH} from "../../../contracts/types/Agreement.sol";
import {Check} from "../Check.sol";

/// @title Agreement: each field keeps its place in the word through the agreement's life.
contract AgreementTest is Check {
    struct Fields {
        uint32 price;
        uint32 powerW;
        uint32 since;
        uint32 until;
    }

    function testFuzzFieldsSurviveTheWholeLife(Fields memory fields) external pure {
        _sensible(fields);
        Agreement agreement = AgreementLibrary.create(fields.price, fields.powerW);
        _fields(agreement, fields, IARIATypes.AgreementStatus.Prospective, 0, 0);
        agreement = agreement.activated(fields.since);
        _fields(agreement, fields, IARIATypes.AgreementStatus.Active, fields.since, 0);
        agreement = agreement.leaving(fields.until);
        _fields(agreement, fields, IARIATypes.AgreementStatus.Leaving, fields.since, fields.until);
        agreement = agreement.closed();
        _fields(agreement, fields, IARIATypes.AgreementStatus.Closed, fields.since, fields.until);
    }

    function testFuzzInForceOnlyForEpochsItCovers(
        Fields memory fields,
        uint32 firstEpoch,
        uint16 count
    ) external pure {
        _sensible(fields);
        uint256 untilEpoch = uint256(firstEpoch) + count;
        Agreement agreement = AgreementLibrary.create(0, 1);
        _true(!agreement.inForce(firstEpoch, untilEpoch), "prospective");
        agreement = agreement.activated(fields.since);
        _true(agreement.inForce(firstEpoch, untilEpoch) == (firstEpoch >= fields.since), "active");
        agreement = agreement.leaving(fields.until);
        bool covered = firstEpoch >= fields.since && untilEpoch <= fields.until;
        _true(agreement.inForce(firstEpoch, untilEpoch) == covered, "leaving");
        _true(!agreement.closed().inForce(firstEpoch, untilEpoch), "closed");
        _true(!Agreement.wrap(0).inForce(firstEpoch, untilEpoch), "none");
    }

    function testFuzzALeavingAgreementEndsExactlyAtItsEpoch(uint32 since, uint32 length) external pure {
        since = uint32(since % (MAX_EPOCH + 1));
        uint32 until = uint32(_within(uint256(since) + length, since, MAX_EPOCH));
        Agreement agreement = AgreementLibrary.create(0, 1).activated(since).leaving(until);
        _true(agreement.inForce(since, until), "all of it");
        _true(!agreement.inForce(since, uint256(until) + 1), "one epoch more");
        if (since > 0) _true(!agreement.inForce(since - 1, until), "one epoch earlier");
    }

    function _fields(
        Agreement agreement,
        Fields memory fields,
        IARIATypes.AgreementStatus status,
        uint32 since,
        uint32 until
    ) private pure {
        _equal(fields.price, agreement.price(), "price");
        _equal(fields.powerW, agreement.powerW(), "power");
        _equal(uint256(status), uint256(agreement.status()), "status");
        _equal(since, agreement.since(), "since");
        _equal(until, agreement.until(), "until");
        bytes8 terms = bytes8(abi.encodePacked(fields.price, fields.powerW));
        _equal(uint64(terms), agreement.terms(), "terms");
    }

    /// @dev Epochs that an agreement can hold; and no DER is without power.
    function _sensible(Fields memory fields) private pure {
        fields.since = uint32(fields.since % (MAX_EPOCH + 1));
        fields.until = uint32(fields.until % (MAX_EPOCH + 1));
        if (fields.powerW == 0) fields.powerW = 1;
    }
}
