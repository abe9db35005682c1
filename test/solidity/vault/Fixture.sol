// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IService} from "../../../contracts/interfaces/IService.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Check} from "../Check.sol";
import {Deployed} from "../Deployed.sol";
import {VM} from "../Vm.sol";

/// @title Service: as little as the Vault asks of the contract in charge.
contract Service is IService {
    IVault public immutable vault;

    constructor(IVault vault_) {
        vault = vault_;
    }
}

/// @title Fixture: a Vault of native coins with a service in charge and some parties' accounts, over three words.
/// @notice Account 1 is the service's; the parties' are 2 to 17.
abstract contract Fixture is Check {
    uint256 internal constant UNIT = 1 gwei;
    uint32 internal constant EXIT_WINDOW = 1 days;
    uint32 internal constant PARTIES = 16;
    uint32 internal constant ACCOUNTS = PARTIES + 1;

    IVault internal _vault;
    address internal _service;

    function setUp() public virtual {
        _vault = Deployed.vault(address(this), address(0), UNIT, EXIT_WINDOW);
        _service = address(new Service(_vault));
        _vault.announceHandOver(_service);
        _vault.handOver(); // the first service waits for nobody
        for (uint32 i; i < PARTIES; ++i) _vault.openAccount(_party(2 + i));
    }

    /// @dev The owner of an account from 2 on.
    function _party(uint32 account) internal pure returns (address) {
        return address(uint160(0xfa00) + account);
    }

    function _give(uint32 account, uint64 amount) internal {
        if (amount == 0) return;
        VM.deal(address(this), uint256(amount) * UNIT);
        _vault.deposit{value: uint256(amount) * UNIT}(_party(account), amount);
    }

    function _balances() internal view returns (uint64[] memory) {
        uint32[] memory accounts = new uint32[](ACCOUNTS);
        for (uint32 i; i < ACCOUNTS; ++i) accounts[i] = i + 1;
        return _vault.balancesOf(accounts);
    }

    function _locks() internal view returns (uint64[] memory locks) {
        locks = new uint64[](ACCOUNTS);
        for (uint32 i = 1; i < ACCOUNTS; ++i) locks[i] = _vault.lockOf(_party(i + 1));
    }

    /// @dev That each figure is as expected; `what` names them.
    function _allEqual(uint64[] memory expected, uint64[] memory received, string memory what) internal pure {
        for (uint256 i; i < expected.length; ++i) _equal(expected[i], received[i], what);
    }
}
