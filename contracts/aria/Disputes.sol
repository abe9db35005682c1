// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IDisputes} from "../interfaces/IDisputes.sol";
import {Blockstamps} from "../libraries/Blockstamps.sol";
import {FlowRows} from "../libraries/FlowRows.sol";
import {FlowTree} from "../libraries/FlowTree.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {Statements} from "../libraries/Statements.sol";
import {ENERGY_BYTES} from "../types/EnergyLanes.sol";
import {PostingsLibrary} from "../types/Postings.sol";
import {TAKEN_BYTES} from "../types/Penalties.sol";
import {State} from "./State.sol";

/// @title Disputes: what a DER can claim, and how a claim ends.
/// @dev A claim is paid from its request's escrow, which holds at least the price of all that was requested and not
/// credited until the dispute window is over and no dispute is open. So a dispute can never fail for want of funds, and
/// nothing is paid twice: credited and awarded energy together never exceed what was requested.
abstract contract Disputes is State, IDisputes {
    /// @dev What a SettledRow proves of one DER and one epoch.
    struct Proven {
        uint256 requestedWh;
        uint256 shortfallWh;
        /// @dev beyond the tolerance, in this epoch
        uint256 penalisedWh;
        /// @dev units taken for that
        uint256 penalty;
        uint32 price;
    }

    /// @dev What the end of a dispute comes to, in units.
    struct Outcome {
        uint256 paid;
        uint256 refunded;
        uint256 fine;
    }

    // --------------------------------------------------------------------------------------------------------- Claim

    /// @inheritdoc IDisputes
    function raiseDisputeEvent(
        FlowStatement calldata statement,
        bytes calldata signature,
        SettledRow calldata row
    ) external returns (uint256 disputeId) {
        if (msg.sender != statement.der) revert NotTheDER(statement.der, msg.sender);
        uint32 account = vault().accountOf(msg.sender);
        disputeId = _disputeId(account, statement.epoch);
        if (_disputes[disputeId].status != DisputeStatus.None) revert AlreadyDisputed(disputeId);
        _requireDisputable(row.requestId);
        Proven memory proven = _prove(row, account, statement.epoch);
        _requireMeter(account, statement, signature);
        bool checked = _checkBlockstamps(statement);
        uint256 claimWh = _claim(statement.energyWh, proven);
        uint64 free = vault().freeOf(msg.sender); // the deposit stays whole, whatever is disputed
        if (free < DISPUTE_BOND) revert DisputeBondNotFree(DISPUTE_BOND, free);

        ++_requests[row.requestId].openDisputes;
        _disputes[disputeId] = Dispute({
            status: DisputeStatus.Open,
            requestId: row.requestId,
            price: proven.price,
            claimWh: uint32(claimWh),
            penalisedWh: uint32(proven.penalisedWh),
            penalty: uint64(proven.penalty),
            raisedAt: uint40(block.timestamp)
        });
        emit DisputeRaised(disputeId, account, row.requestId, uint32(claimWh), statement, signature, checked);
        _move(account, ESCROW_ACCOUNT, DISPUTE_BOND);
    }

    // ------------------------------------------------------------------------------------------------------- Outcome

    /// @inheritdoc IDisputes
    function resolveDispute(
        uint256 disputeId,
        uint32 awardedWh,
        Fault fault,
        bytes32 evidenceHash
    ) external onlyRole(OPERATOR_ROLE) {
        Dispute storage dispute = _openDispute(disputeId);
        uint256 deadline = dispute.raisedAt + RULING_WINDOW_SECONDS;
        if (block.timestamp > deadline) revert RulingWindowOver(deadline, block.timestamp);
        if (evidenceHash == 0) revert EvidenceMissing();
        if (awardedWh > dispute.claimWh) revert AwardExceedsClaim(dispute.claimWh, awardedWh);
        if (fault == Fault.DER && awardedWh != 0) revert AwardToTheFaulty(awardedWh);

        _rule(disputeId, awardedWh, fault, evidenceHash);
    }

    /// @inheritdoc IDisputes
    function settleByDefault(uint256 disputeId) external {
        Dispute storage dispute = _openDispute(disputeId);
        uint256 deadline = dispute.raisedAt + RULING_WINDOW_SECONDS;
        if (block.timestamp <= deadline) revert RulingWindowNotOver(deadline + 1, block.timestamp);

        Outcome memory outcome = _award(dispute, dispute.claimWh);
        dispute.status = DisputeStatus.Defaulted;
        emit DisputeDefaulted(
            disputeId,
            _accountIn(disputeId),
            uint64(outcome.paid),
            uint64(outcome.refunded)
        );
        _payOut(_accountIn(disputeId), outcome, false);
    }

    /// @inheritdoc IDisputes
    function proveContradiction(
        SettledRow calldata row,
        FlowLeaf calldata leaf,
        bytes32[] calldata proof
    ) external {
        RequestStatus status = _requests[row.requestId].status;
        if (status != RequestStatus.Swept && status != RequestStatus.Released) {
            revert WrongRequestStatus(row.requestId, RequestStatus.Swept, status);
        }
        uint256 disputeId = _disputeId(leaf.account, leaf.epoch);
        if (_fined[disputeId]) revert AlreadyFined(disputeId);
        Proven memory proven = _prove(row, leaf.account, leaf.epoch);
        if (!MerkleProof.verifyCalldata(proof, row.flowRoot, Statements.leafHash(leaf)))
            revert NotCommitted(row.flowRoot);
        uint256 sweptWh = proven.requestedWh - proven.shortfallWh;
        uint256 committedWh = leaf.energyWh < proven.requestedWh ? leaf.energyWh : proven.requestedWh;
        if (committedWh == sweptWh) revert NoContradiction(sweptWh);

        uint256 fine = _fine(disputeId);
        emit ContradictionProven(disputeId, leaf.account, sweptWh, leaf.energyWh, uint64(fine));
        _move(AGGREGATOR_ACCOUNT, OPERATOR_ACCOUNT, fine);
    }

    /// @inheritdoc IDisputes
    function proveEquivocation(
        uint32 account,
        FlowStatement calldata first,
        bytes calldata firstSignature,
        FlowStatement calldata second,
        bytes calldata secondSignature
    ) external {
        uint32 received = vault().accountOf(first.der);
        if (received != account) revert StatementOfAnother(account, received);
        if (second.der != first.der || second.epoch != first.epoch) {
            revert StatementsDiffer(first.der, first.epoch, second.der, second.epoch);
        }
        _requireOver(uint256(first.epoch) + 1);
        (bytes32 firstDigest, address signer) = _signerOf(first, firstSignature);
        (bytes32 secondDigest, address other) = _signerOf(second, secondSignature);
        if (firstDigest == secondDigest) revert StatementsAgree(firstDigest);
        if (other != signer) revert SignersDiffer(signer, other);
        uint256 disputeId = _disputeId(account, first.epoch);
        address meter = _meterOf(account, first.epoch);

        if (signer == meter) {
            bool open = _endClaims(disputeId);
            emit EquivocationProven(disputeId, account, signer, firstDigest, secondDigest, 0);
            if (open) _rule(disputeId, 0, Fault.DER, keccak256(bytes.concat(firstDigest, secondDigest)));
            return;
        }
        if (vault().accountOf(signer) != AGGREGATOR_ACCOUNT) revert WrongMeter(meter, signer);
        if (_fined[disputeId]) revert AlreadyFined(disputeId);
        uint256 fine = _fine(disputeId);
        emit EquivocationProven(disputeId, account, signer, firstDigest, secondDigest, uint64(fine));
        _move(AGGREGATOR_ACCOUNT, OPERATOR_ACCOUNT, fine);
    }

    /// @dev Bars a dispute that was not raised yet. @return open whether it was, and is to be ruled on.
    function _endClaims(uint256 disputeId) private returns (bool open) {
        DisputeStatus status = _disputes[disputeId].status;
        if (status == DisputeStatus.Open) return true;
        if (status != DisputeStatus.None) {
            revert WrongDisputeStatus(disputeId, DisputeStatus.Open, status);
        }
        _disputes[disputeId].status = DisputeStatus.Barred;
    }

    // ----------------------------------------------------------------------------------------------- Checks of a claim

    function _disputeId(uint32 account, uint32 epoch) private pure returns (uint256) {
        return (uint256(account) << 32) | epoch;
    }

    function _accountIn(uint256 disputeId) private pure returns (uint32) {
        return uint32(disputeId >> 32);
    }

    function _openDispute(uint256 disputeId) private view returns (Dispute storage dispute) {
        dispute = _disputes[disputeId];
        if (dispute.status != DisputeStatus.Open) {
            revert WrongDisputeStatus(disputeId, DisputeStatus.Open, dispute.status);
        }
    }

    function _requireDisputable(uint32 requestId) private view {
        FlowRequest storage request = _requests[requestId];
        if (request.status != RequestStatus.Requested && request.status != RequestStatus.Swept) {
            revert WrongRequestStatus(requestId, RequestStatus.Swept, request.status);
        }
        (uint256 opens, uint256 closes) = _disputeWindow(request);
        if (block.timestamp < opens) revert DisputeWindowNotOpen(opens, block.timestamp);
        if (block.timestamp > closes) revert DisputeWindowOver(closes, block.timestamp);
    }

    function _requireMeter(
        uint32 account,
        FlowStatement calldata statement,
        bytes calldata signature
    ) private view {
        address meter = _meterOf(account, statement.epoch);
        (, address signer) = _signerOf(statement, signature);
        if (signer != meter) revert WrongMeter(meter, signer);
    }

    function _signerOf(
        FlowStatement calldata statement,
        bytes calldata signature
    ) private view returns (bytes32 digest, address signer) {
        digest = Statements.digest(statement);
        signer = ECDSA.recoverCalldata(digest, signature);
    }

    /// @return known whether the chain knows both blocks; a hash that is not its own reverts.
    function _checkBlockstamps(FlowStatement calldata statement) private view returns (bool known) {
        (uint64 first, uint64 last) = (statement.firstBlock, statement.lastBlock);
        if (first > last || last >= block.number) revert BlockstampsOutOfOrder(first, last, block.number);
        bool firstKnown = Blockstamps.check(first, statement.firstBlockHash);
        bool lastKnown = Blockstamps.check(last, statement.lastBlockHash);
        return firstKnown && lastKnown;
    }

    /// @dev What is claimed beyond the credit, in Wh: never more than was requested.
    function _claim(uint256 energyWh, Proven memory proven) private view returns (uint256 claimWh) {
        uint256 entitledWh = energyWh < proven.requestedWh ? energyWh : proven.requestedWh;
        uint256 creditedWh = proven.requestedWh - proven.shortfallWh;
        claimWh = entitledWh > creditedWh ? entitledWh - creditedWh : 0;
        uint256 tolerated = Settlement.tolerance(entitledWh, METER_TOLERANCE_BPS, TOLERANCE_FLOOR_WH);
        if (claimWh <= tolerated) revert ClaimWithinTolerance(tolerated + 1, claimWh);
    }

    // ------------------------------------------------------------------------------------------------- Proof of a row

    /// @dev Checks a row against what its request stores, and reads from it what concerns this account and epoch.
    function _prove(
        SettledRow calldata row,
        uint32 account,
        uint32 epoch
    ) private view returns (Proven memory proven) {
        FlowRequest storage request = _requests[row.requestId];
        uint256 firstEpoch = request.firstEpoch;
        uint256 count = request.count;
        if (epoch < firstEpoch || epoch >= firstEpoch + count) {
            revert EpochNotRequested(epoch, firstEpoch, firstEpoch + count);
        }
        bool swept = request.status != RequestStatus.Requested;
        _requireSettled(row, request.commitment, count, swept);
        _readRequest(proven, row, account, epoch - firstEpoch, count);
        // Not swept, it is as if zero had been reported; no penalty was taken.
        if (swept) _readSweep(proven, row, epoch - firstEpoch, count);
        else proven.shortfallWh = proven.requestedWh;
    }

    function _readRequest(
        Proven memory proven,
        SettledRow calldata row,
        uint32 account,
        uint256 offset,
        uint256 count
    ) private pure {
        uint96 terms = FlowRows.terms(row.requests, row.rowInLeaf, count);
        if (FlowRows.accountOf(terms) != account) revert RowOfAnother(account, FlowRows.accountOf(terms));
        proven.price = FlowRows.priceOf(terms);
        proven.requestedWh = FlowRows.requestedIn(row.requests, row.rowInLeaf, offset, count);
    }

    function _readSweep(
        Proven memory proven,
        SettledRow calldata row,
        uint256 offset,
        uint256 count
    ) private view {
        proven.shortfallWh = FlowRows.missingIn(row.shortfalls, row.rowInLeaf, offset, count);
        proven.penalisedWh = Settlement.excess(
            proven.requestedWh,
            proven.shortfallWh,
            DELIVERY_TOLERANCE_BPS,
            TOLERANCE_FLOOR_WH
        );
        proven.penalty = _penaltyOf(row, count, proven.penalisedWh);
    }

    /// @dev The part of the penalty taken of a row, in units, that was for so many Wh.
    function _penaltyOf(
        SettledRow calldata row,
        uint256 count,
        uint256 penalisedWh
    ) private view returns (uint256) {
        uint256 at = uint256(row.rowInLeaf) * TAKEN_BYTES;
        uint64 taken = uint64(bytes8(row.penalties[at:at + TAKEN_BYTES]));
        (, uint256 rowPenalisedWh) = Settlement.deliveryOf(
            row.requests,
            row.shortfalls,
            row.rowInLeaf,
            count,
            DELIVERY_TOLERANCE_BPS,
            TOLERANCE_FLOOR_WH
        );
        return Settlement.refund(taken, rowPenalisedWh, penalisedWh);
    }

    /// @dev Checks that the rows of a leaf are part of what was requested, or swept.
    function _requireSettled(
        SettledRow calldata row,
        bytes32 commitment,
        uint256 count,
        bool swept
    ) private pure {
        uint256 rowCount = row.requests.length / FlowRows.rowBytes(count);
        if (row.requests.length % FlowRows.rowBytes(count) != 0 || row.rowInLeaf >= rowCount) {
            revert MalformedBytes(FlowRows.rowBytes(count), row.requests.length);
        }
        bytes32 leaf = FlowTree.requestLeaf(row.requests);
        bytes32 received;
        if (swept) {
            _requireLength(row.shortfalls, rowCount * count * ENERGY_BYTES);
            _requireLength(row.penalties, rowCount * TAKEN_BYTES);
            leaf = FlowTree.sweptLeaf(leaf, row.shortfalls, row.penalties);
            received = _sweptCommitment(MerkleProof.processProofCalldata(row.proof, leaf), row.flowRoot);
        } else {
            received = MerkleProof.processProofCalldata(row.proof, leaf);
        }
        if (received != commitment) revert SettlementMismatch(commitment, received);
    }

    // --------------------------------------------------------------------------------------------- Money of an outcome

    /// @dev Ends an open dispute with a verdict.
    function _rule(uint256 disputeId, uint32 awardedWh, Fault fault, bytes32 evidenceHash) private {
        Dispute storage dispute = _disputes[disputeId];
        Outcome memory outcome = _award(dispute, awardedWh);
        if (fault == Fault.Aggregator && !_fined[disputeId]) outcome.fine = _fine(disputeId);
        dispute.status = DisputeStatus.Ruled;
        emit DisputeResolved(
            disputeId,
            _accountIn(disputeId),
            awardedWh,
            fault,
            evidenceHash,
            uint64(outcome.paid),
            uint64(outcome.refunded),
            uint64(outcome.fine)
        );
        _payOut(_accountIn(disputeId), outcome, fault == Fault.DER);
    }

    /// @dev Takes an award, and the penalty that goes back with it, out of its request's escrow.
    function _award(Dispute storage dispute, uint256 awardedWh) private returns (Outcome memory outcome) {
        uint256 penalisedWh = dispute.penalisedWh;
        uint256 forgivenWh = awardedWh < penalisedWh ? awardedWh : penalisedWh;
        outcome.paid = Settlement.payment(awardedWh, dispute.price);
        outcome.refunded = Settlement.refund(dispute.penalty, penalisedWh, forgivenWh);

        FlowRequest storage request = _requests[dispute.requestId];
        --request.openDisputes;
        request.escrow -= uint64(outcome.paid + outcome.refunded);
    }

    /// @dev Notes that the Aggregator is fined for an account and epoch. Returns the fine, in units, or what stands of the
    /// bond if that is less. Nothing stands before it is posted and once it is released: a fine then would be none, and count.
    function _fine(uint256 disputeId) private returns (uint256) {
        if (!_progress.bonded) revert BondTooLow(AGGREGATOR_BOND, 0);
        _fined[disputeId] = true;
        return _lesser(vault().balanceOf(AGGREGATOR_ACCOUNT), MISREPORT_FINE);
    }

    /// @dev Award and fine go to the DER; its own bond as well, unless it is forfeited to the Aggregator.
    function _payOut(uint32 account, Outcome memory outcome, bool bondForfeited) private {
        uint256 award = outcome.paid + outcome.refunded;
        int256 bondToDer = bondForfeited ? int256(0) : int256(uint256(DISPUTE_BOND));
        int256 bondToAggregator = int256(uint256(DISPUTE_BOND)) - bondToDer;
        bytes memory postings = PostingsLibrary.open(3);
        PostingsLibrary.put(postings, AGGREGATOR_ACCOUNT, bondToAggregator - int256(outcome.fine));
        PostingsLibrary.put(postings, ESCROW_ACCOUNT, -int256(award + DISPUTE_BOND));
        PostingsLibrary.put(postings, account, int256(award + outcome.fine) + bondToDer);
        vault().settle(postings, "");
    }
}
