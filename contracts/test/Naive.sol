// SPDX-License-Identifier: MIT
// solhint-disable one-contract-per-file
pragma solidity 0.8.34;

/// @title NaiveVault: a mapping of balances that a service moves, one call each.
contract NaiveVault {
    mapping(address party => uint256) public balanceOf;

    event Moved(address indexed from, address indexed to, uint256 amount);

    error InsufficientBalance(address party, uint256 expected, uint256 received);

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
    }

    function move(address from, address to, uint256 amount) external {
        if (balanceOf[from] < amount) revert InsufficientBalance(from, amount, balanceOf[from]);
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Moved(from, to, amount);
    }
}

/// @title NaiveSettlement: the plain design, kept to compare with. A record for each DER, a Vault call for each payment.
/// @dev The same rules as ARIA's sweep of one epoch, without access control, windows, escrow or proofs.
contract NaiveSettlement {
    struct Agreement {
        uint256 price;
        uint256 deposit;
        uint256 requestedWh;
    }

    NaiveVault private immutable _vault;
    address private immutable _operator;
    mapping(address der => Agreement) private _agreements;

    event Settled(address indexed der, uint256 deliveredWh, uint256 payment, uint256 penalty);

    constructor(NaiveVault vault, address operator) {
        _vault = vault;
        _operator = operator;
    }

    function request(address[] calldata ders, Agreement[] calldata agreements) external {
        for (uint256 i; i < ders.length; ++i) _agreements[ders[i]] = agreements[i];
    }

    function settle(address[] calldata ders, uint256[] calldata deliveredWh) external {
        for (uint256 i; i < ders.length; ++i) {
            Agreement storage agreement = _agreements[ders[i]];
            uint256 missing = agreement.requestedWh - deliveredWh[i];
            uint256 tolerated = (agreement.requestedWh * 500) / 10_000;
            uint256 payment = (deliveredWh[i] * agreement.price) / 1000;
            uint256 penalty;
            if (missing > tolerated) {
                penalty = ((missing - tolerated) * agreement.price * 5000) / 10_000_000;
                uint256 balance = _vault.balanceOf(ders[i]);
                uint256 standing = balance < agreement.deposit ? balance : agreement.deposit;
                if (penalty > standing) penalty = standing;
                _vault.move(ders[i], _operator, penalty);
            }
            _vault.move(_operator, ders[i], payment);
            emit Settled(ders[i], deliveredWh[i], payment, penalty);
        }
    }
}
