// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "./IARIATypes.sol";

/// @title IAgreements: how a DER's agreement with the Aggregator begins, lives and ends.
/// @notice None -> Prospective (join) -> Active (commission) -> Leaving (leave) -> Closed (close). An Active agreement
/// whose balance falls under the floor of its deposit counts as Suspended until it is topped up.
interface IAgreements is IARIATypes {
    // ------------------------------------------------------------------------------------------------- For the DER

    /// @notice Applies. Coins sent along are deposited in the Vault for the caller first; a balance already there
    /// counts as well. The deposit is then locked in the caller's account.
    /// @param powerW what can be injected. @param price asked, units per kWh. @param meter the key its meter signs with.
    function join(uint32 powerW, uint32 price, address meter) external payable returns (uint32 account);

    /// @notice Adds to the caller's account in the Vault; a suspended agreement is in force again once its balance
    /// reaches the floor. For a token Vault, and as well for coins, `Vault.deposit` does the same.
    function topUp() external payable;

    /// @notice Ends the caller's agreement: at once when Prospective; when Active, from `untilEpoch` on, after what
    /// is already requested and a notice of two epochs, so that a request for the next two is not made invalid on its way.
    function leave() external returns (uint32 untilEpoch);

    /// @notice Closes a Leaving agreement, once nothing requested of it can still be swept, and frees its deposit.
    function close() external;

    // ------------------------------------------------------------------------------------------------ For the Operator

    /// @notice Puts meters' keys in charge from the next epoch on. A Prospective agreement becomes Active with its
    /// first; an Active or Leaving one has its meter replaced, and what the old one signed stays valid for its time.
    function commission(Commissioning[] calldata commissionings) external;

    /// @notice Turns a Prospective agreement away and frees its deposit.
    function reject(address der) external;

    // ------------------------------------------------------------------------------------------------- For the owner

    /// @notice Fixes the last epoch. After it, once all is settled and released, `retired()` holds and the Vault can be
    /// handed over without leaving anything behind. Only the Vault's owner.
    function retire(uint32 lastEpoch) external;

    // ---------------------------------------------------------------------------------------------- For the guardian

    /// @notice Stops joining and new requests, or lets them go on. What is requested is swept, disputed and released, and
    /// what is free withdrawn, as ever.
    function setPaused(bool paused) external;
}
