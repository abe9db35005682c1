// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title IARIATypes: the types, errors and events of ARIA, shared by its halves and libraries.
/// @notice Energy is whole Wh, power whole W, money whole units of the Vault, prices units per kWh.
interface IARIATypes {
    // -------------------------------------------------------------------------------------------------------- Types

    /// @notice The life of an agreement. Suspended is Active with a deposit under the floor; it is computed from the
    /// Vault's balance and never stored.
    enum AgreementStatus {
        None,
        Prospective,
        Active,
        Suspended,
        Leaving,
        Closed
    }

    enum RequestStatus {
        None,
        Requested,
        Swept,
        Released
    }

    enum DisputeStatus {
        None,
        Open,
        Ruled,
        Defaulted,
        /// @dev never raised, and not to be: the DER's meter signed two statements
        Barred
    }

    /// @notice Whom a ruling finds at fault.
    enum Fault {
        None,
        Aggregator,
        DER
    }

    /// @notice What a DER must meet to join.
    struct Criteria {
        uint32 minPowerW;
        uint32 maxPowerW;
        /// @dev units per kWh
        uint32 maxPrice;
        /// @dev units of deposit for each kW of power
        uint64 depositPerKw;
        /// @dev share of the deposit, in 1/10,000, under which an agreement is suspended
        uint16 depositFloorBps;
        /// @dev how many may wait for commissioning at a time
        uint16 maxProspective;
    }

    /// @notice How epochs are settled and disputes decided. Shares are in 1/10,000 (basis points).
    struct Rules {
        uint32 epochSeconds;
        /// @dev how long after the last epoch's end a request may be swept
        uint32 sweepWindowSeconds;
        /// @dev how long after the sweep, or after the sweep window without one, a dispute may be raised
        uint32 disputeWindowSeconds;
        /// @dev how long the Operator has to rule before the claim is paid by default
        uint32 rulingWindowSeconds;
        /// @dev shortfall that costs no penalty, as a share of the request
        uint16 deliveryToleranceBps;
        /// @dev difference between two meters that is no dispute, as a share of the energy
        uint16 meterToleranceBps;
        /// @dev both tolerances are at least this, in Wh
        uint32 toleranceFloorWh;
        /// @dev penalty on energy missing beyond the tolerance, as a share of its price
        uint16 penaltyBps;
        /// @dev the Aggregator's fee, as a share of what DERs are paid at the sweep
        uint16 feeBps;
        /// @dev units, locked in the Aggregator's account
        uint64 aggregatorBond;
        /// @dev units, paid in by the DER with each dispute
        uint64 disputeBond;
        /// @dev units, cut from the Aggregator's bond for each proven misreport
        uint64 misreportFine;
    }

    /// @notice An agreement as a person reads it.
    struct AgreementView {
        AgreementStatus status;
        uint32 account;
        uint32 powerW;
        uint32 price;
        uint64 deposit;
        uint32 sinceEpoch;
        uint32 untilEpoch;
    }

    /// @notice What is left of an order: one uint32 of Wh per epoch from `firstEpoch` on, 4 bytes each.
    struct Order {
        uint32 id;
        uint32 firstEpoch;
        bytes baseline;
    }

    /// @notice A run of epochs requested of a page of DERs, settled as one.
    struct FlowRequest {
        /// @dev Requested: root of the request tree. From the sweep on: keccak256(swept root, flowRoot).
        bytes32 commitment;
        RequestStatus status;
        uint32 firstEpoch;
        uint16 count;
        /// @dev a day of a thousand DERs can have more than 16 bits hold
        uint32 openDisputes;
        /// @dev unix seconds; 0 until swept
        uint40 sweptAt;
        /// @dev units held in ARIA's account for this request
        uint64 escrow;
    }

    /// @notice What a meter signs for one epoch (EIP-712).
    struct FlowStatement {
        address der;
        uint32 epoch;
        uint64 energyWh;
        bytes32 readingsRoot;
        uint64 firstBlock;
        bytes32 firstBlockHash;
        uint64 lastBlock;
        bytes32 lastBlockHash;
    }

    /// @notice Proof of what was requested of, and credited to, one DER.
    struct SettledRow {
        uint32 requestId;
        /// @dev the rows of the leaf that holds the DER's, as they stood in the request
        bytes requests;
        /// @dev their shortfalls, as swept; empty for a request that was never swept
        bytes shortfalls;
        /// @dev their penalties taken, 8 bytes a row; empty for a request that was never swept
        bytes penalties;
        /// @dev which row of the leaf is the DER's
        uint8 rowInLeaf;
        bytes32[] proof;
        /// @dev as swept; zero for a request that was never swept
        bytes32 flowRoot;
    }

    /// @notice A leaf of the Aggregator's flow tree: what its own meter says of one DER in one epoch.
    struct FlowLeaf {
        uint32 account;
        uint32 epoch;
        uint64 energyWh;
        bytes32 readingsRoot;
        bytes32 salt;
    }

    /// @notice A dispute, in one slot: what its outcome is computed from. The event that raised it has the rest.
    struct Dispute {
        DisputeStatus status;
        uint32 requestId;
        uint32 price;
        uint32 claimWh;
        /// @dev Wh missing beyond the tolerance in the epoch
        uint32 penalisedWh;
        /// @dev units of the penalty taken of the row that were taken for those
        uint64 penalty;
        /// @dev unix seconds
        uint40 raisedAt;
    }

    struct Commissioning {
        address der;
        address meter;
    }

    // -------------------------------------------------------------------------------------------- Errors: joining

    error PowerTooLow(uint256 expected, uint256 received);
    error PowerTooHigh(uint256 expected, uint256 received);
    error PriceTooHigh(uint256 expected, uint256 received);
    /// @notice The deposit is not covered by what is free in the DER's account. In units.
    error DepositTooLow(uint256 expected, uint256 received);
    error TooManyProspective(uint256 limit);
    error MeterMissing();
    /// @notice The Operator's and the Aggregator's own addresses cannot join as DERs.
    error PartyHasARole(address party);
    /// @notice The agreement is not in the state that the call needs.
    error WrongAgreementStatus(uint32 account, AgreementStatus expected, AgreementStatus received);
    /// @notice A Leaving agreement can be closed from this time on, in unix seconds.
    error ClosingTooEarly(uint256 expected, uint256 received);

    // ------------------------------------------------------------------------------------- Errors: orders, requests

    error EmptyOrder();
    /// @notice A list of bytes is not a whole number of entries.
    error MalformedBytes(uint256 entryBytes, uint256 received);
    /// @notice An order reaches further ahead than any may. In epochs.
    error TooFarAhead(uint256 expected, uint256 received);
    /// @notice A figure of a baseline is 2^31 Wh or more.
    error EnergyTooLarge();
    error UnknownOrder(uint32 orderId);
    /// @notice The order passed is not what is left of the order stored.
    error OrderMismatch(bytes32 expected, bytes32 received);
    /// @notice The epochs requested lie outside those ordered.
    error OutsideOrder(uint256 firstEpoch, uint256 untilEpoch);
    /// @notice More is requested in an epoch than is left of its baseline. In Wh.
    error BaselineExceeded(uint256 epoch, uint256 expected, uint256 received);
    error EmptyRequest();
    /// @notice A request has more rows, or eights of epochs, than its sums can hold with DERs of the largest power.
    error RequestTooLarge(uint256 expected, uint256 received);
    /// @notice Flow is requested before its first epoch starts: `expected` is the first that still can be.
    error EpochStarted(uint256 expected, uint256 received);
    /// @notice Requests follow each other: in a later run of epochs, or the same run with higher accounts.
    error RequestOutOfOrder(uint256 expected, uint256 received);
    /// @notice Rows are sorted by account, each once, and swept in the order in which they were requested.
    error RowsOutOfOrder(uint32 previous, uint32 received);
    /// @notice A row's terms are not those of the agreement (price and power, packed).
    error TermsMismatch(uint32 account, uint64 expected, uint64 received);
    error AgreementNotInForce(uint32 account, uint256 sinceEpoch, uint256 untilEpoch);
    /// @notice The account's balance is under the floor of its deposit. In units.
    error DepositUnderFloor(uint32 account, uint256 expected, uint256 received);
    /// @notice More is asked of a DER in one epoch than its power allows. In Wh.
    error PowerExceeded(uint32 account, uint256 expected);
    /// @notice The Aggregator's bond is not standing in full, or not posted at all: 0 received. In units.
    error BondTooLow(uint256 expected, uint256 received);
    error BondInUse(uint256 openRequests);
    /// @notice ARIA takes no more joins, orders or requests beyond its last epoch.
    error Retiring(uint256 lastEpoch);
    /// @dev The guardian has paused joining and requesting.
    error WhilePaused();
    error AlreadyRetiring(uint256 lastEpoch);
    /// @notice Epochs already requested must still be settled: the last epoch cannot lie before them.
    error LastEpochTooEarly(uint256 expected, uint256 received);
    error NotVaultOwner(address expected, address received);

    // ---------------------------------------------------------------------------------------------- Errors: sweeping

    error WrongRequestStatus(uint32 requestId, RequestStatus expected, RequestStatus received);
    /// @notice What is settled or proven is of epochs that are over. In unix seconds.
    error EpochNotOver(uint256 expected, uint256 received);
    error SweepWindowOver(uint256 expected, uint256 received);
    /// @notice The rows passed are not those requested.
    error RequestMismatch(bytes32 expected, bytes32 received);
    error ShortfallExceedsRequest(uint32 account, uint256 offset, uint256 expected, uint256 received);
    error EscrowStillNeeded(uint32 requestId, uint256 notBefore, uint256 openDisputes);

    // ---------------------------------------------------------------------------------------------- Errors: disputes

    /// @notice The rows and proof passed do not lead to what was settled.
    error SettlementMismatch(bytes32 expected, bytes32 received);
    error NotTheDER(address expected, address received);
    error RowOfAnother(uint32 expected, uint32 received);
    error EpochNotRequested(uint256 epoch, uint256 firstEpoch, uint256 untilEpoch);
    error DisputeWindowNotOpen(uint256 expected, uint256 received);
    error DisputeWindowOver(uint256 expected, uint256 received);
    /// @notice The statement is not signed by the meter commissioned for its epoch.
    error WrongMeter(address expected, address received);
    /// @notice A blockstamp's hash is not that of the block of this number.
    error BlockstampMismatch(uint256 number, bytes32 expected, bytes32 received);
    /// @notice Blockstamps run from first to last and lie in the past.
    error BlockstampsOutOfOrder(uint256 first, uint256 last, uint256 current);
    /// @notice The claim does not exceed what was credited by more than the tolerance. In Wh.
    error ClaimWithinTolerance(uint256 expected, uint256 received);
    error AlreadyDisputed(uint256 disputeId);
    error WrongDisputeStatus(uint256 disputeId, DisputeStatus expected, DisputeStatus received);
    error AwardExceedsClaim(uint256 expected, uint256 received);
    /// @notice A DER found at fault is awarded nothing.
    error AwardToTheFaulty(uint256 awardedWh);
    error EvidenceMissing();
    error RulingWindowOver(uint256 expected, uint256 received);
    error RulingWindowNotOver(uint256 expected, uint256 received);
    /// @notice The bond of a dispute is not covered by what is free in the DER's account: balance above its lock. In units.
    error DisputeBondNotFree(uint256 expected, uint256 received);
    /// @notice The statements shown are about another account's owner.
    error StatementOfAnother(uint32 expected, uint32 received);
    /// @notice The statements shown are about two DERs or two epochs.
    error StatementsDiffer(
        address expectedDer,
        uint32 expectedEpoch,
        address receivedDer,
        uint32 receivedEpoch
    );
    /// @notice The statements shown are one and the same.
    error StatementsAgree(bytes32 digest);
    /// @notice The statements shown are signed by two parties.
    error SignersDiffer(address expected, address received);
    /// @notice The leaf is not of the flow tree the Aggregator committed to.
    error NotCommitted(bytes32 flowRoot);
    error NoContradiction(uint256 energyWh);
    /// @notice The Aggregator was fined for this account and epoch already, by a proof or a ruling.
    error AlreadyFined(uint256 disputeId);

    // ---------------------------------------------------------------------------------------------- Errors: deployment

    /// @notice A parameter is outside what makes sense.
    error ParameterOutOfRange(string name, uint256 received);

    // ------------------------------------------------------------------------------------------------------- Events

    /// @notice A DER applied. `meter` is the key its meter signs with, to be inspected by the Operator.
    event Joined(
        uint32 indexed account,
        address indexed der,
        uint32 powerW,
        uint32 price,
        uint64 deposit,
        address meter
    );
    /// @notice The meter's key counts from `fromEpoch` on; with the first one the agreement comes into force.
    event Commissioned(uint32 indexed account, address indexed meter, uint32 fromEpoch);
    event LeavingAnnounced(uint32 indexed account, uint32 untilEpoch);
    event AgreementClosed(uint32 indexed account);
    /// @notice A sweep left the account under the floor of its deposit. In units.
    event AgreementSuspended(uint32 indexed account, uint64 floor, uint64 balance);
    event ToppedUp(uint32 indexed account, uint64 amount, uint64 balance);
    event BondPosted(uint64 amount);
    event BondReleased();
    /// @param baseline Wh per epoch, 4 bytes each
    event BaselineOrdered(uint32 indexed orderId, uint32 firstEpoch, bytes baseline);
    event OrderCancelled(uint32 indexed orderId);
    /// @param rows per DER: account (4), price (4), power in W (4), then Wh per epoch (4 each)
    event FlowRequested(
        uint32 indexed requestId,
        uint32 indexed orderId,
        uint32 firstEpoch,
        uint16 count,
        uint64 escrow,
        bytes rows
    );
    /// @param escrow what stays in escrow until the dispute window is over
    /// @param fee what the Aggregator got
    /// @param shortfalls Wh less than requested, per DER and epoch as in the request's rows, 4 bytes each
    event FlowSwept(uint32 indexed requestId, bytes32 flowRoot, uint64 escrow, uint64 fee, bytes shortfalls);
    /// @notice A penalty was larger than the deposit standing; only `taken` was taken.
    event PenaltyCapped(uint32 indexed requestId, uint32 indexed account, uint64 due, uint64 taken);
    event EscrowReleased(uint32 indexed requestId, uint64 amount);
    /// @param blockstampsChecked whether the chain still knew both blocks, and they were found to be its own
    event DisputeRaised(
        uint256 indexed disputeId,
        uint32 indexed account,
        uint32 indexed requestId,
        uint32 claimWh,
        FlowStatement statement,
        bytes signature,
        bool blockstampsChecked
    );
    event DisputeResolved(
        uint256 indexed disputeId,
        uint32 indexed account,
        uint32 awardedWh,
        Fault fault,
        bytes32 evidenceHash,
        uint64 paid,
        uint64 refunded,
        uint64 fine
    );
    event DisputeDefaulted(uint256 indexed disputeId, uint32 indexed account, uint64 paid, uint64 refunded);
    /// @notice The Aggregator's committed leaf differs from what it swept.
    event ContradictionProven(
        uint256 indexed disputeId,
        uint32 indexed account,
        uint256 sweptWh,
        uint64 committedWh,
        uint64 fine
    );
    /// @notice One signer signed two statements about one DER and epoch: the DER's meter, or the Aggregator about its own.
    /// @param firstDigest the EIP-712 digests signed
    /// @param fine units, of the Aggregator; 0 for a meter
    event EquivocationProven(
        uint256 indexed disputeId,
        uint32 indexed account,
        address indexed signer,
        bytes32 firstDigest,
        bytes32 secondDigest,
        uint64 fine
    );
    event RetirementAnnounced(uint32 lastEpoch);
    event PausedSet(bool paused);
}
