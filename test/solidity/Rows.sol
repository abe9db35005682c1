// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev One DER's row of a flow request, field by field.
struct Row {
    uint32 account;
    uint32 price;
    uint32 powerW;
    uint32[] requestedWh;
    uint32[] shortfallWh;
}

/// @title Rows: writes requests and shortfalls as the interface describes them, byte by byte, with nothing of the
/// contracts' own code, so that a mistake there cannot hide here.
library Rows {
    function requests(Row[] memory rows) internal pure returns (bytes memory) {
        return requests(rows, 0, rows.length);
    }

    function shortfalls(Row[] memory rows) internal pure returns (bytes memory) {
        return shortfalls(rows, 0, rows.length);
    }

    /// @dev The rows from `first` up to, not including, `end`.
    function requests(
        Row[] memory rows,
        uint256 first,
        uint256 end
    ) internal pure returns (bytes memory wire) {
        for (uint256 i = first; i < end; ++i) {
            bytes memory figures = figuresOf(rows[i].requestedWh);
            wire = abi.encodePacked(wire, rows[i].account, rows[i].price, rows[i].powerW, figures);
        }
    }

    function shortfalls(
        Row[] memory rows,
        uint256 first,
        uint256 end
    ) internal pure returns (bytes memory wire) {
        for (uint256 i = first; i < end; ++i) wire = bytes.concat(wire, figuresOf(rows[i].shortfallWh));
    }

    /// @dev Energy of successive epochs, 4 bytes each.
    function figuresOf(uint32[] memory wh) internal pure returns (bytes memory wire) {
        for (uint256 i; i < wh.length; ++i) wire = bytes.concat(wire, bytes4(wh[i]));
    }
}
