/*
 * The tables of what was signed and sent:
 *
 *   transactions  id | sender, nonce, kind, target, data, value, gas_limit, status, block_number, cost
 *   bids          hash | transaction_id, max_fee, max_priority_fee, signed_at
 *
 * Amounts in wei are decimal text, as a uint256 is more than SQLite's integers hold.
 */
import type { DatabaseSync } from "node:sqlite";

import { getAddress } from "ethers";

import { addressBytes } from "../metering/reading.ts";
import type { Bid, Intent, Outcome, StoredTransaction, TransactionStore } from "./transactions.ts";

export const TRANSACTIONS = `
  CREATE TABLE transactions (
    id           INTEGER PRIMARY KEY,
    sender       BLOB    NOT NULL CHECK (length(sender) = 20),
    nonce        INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    target       BLOB    NOT NULL CHECK (length(target) = 20),
    data         BLOB    NOT NULL,
    value        TEXT    NOT NULL,
    gas_limit    INTEGER NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('open', 'mined', 'displaced', 'forgotten')),
    block_number INTEGER,
    cost         TEXT
  ) STRICT;
  CREATE INDEX transactions_by_nonce ON transactions (sender, nonce);
  CREATE INDEX transactions_open ON transactions (sender) WHERE status = 'open';
  CREATE TABLE bids (
    hash             BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    transaction_id   INTEGER NOT NULL REFERENCES transactions (id),
    max_fee          TEXT    NOT NULL,
    max_priority_fee TEXT    NOT NULL,
    signed_at        INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX bids_by_transaction ON bids (transaction_id);
  CREATE INDEX bids_by_time ON bids (signed_at);
`;

interface TransactionRow {
  readonly id: number;
  readonly sender: Uint8Array;
  readonly nonce: number;
  readonly kind: string;
  readonly target: Uint8Array;
  readonly data: Uint8Array;
  readonly value: string;
  readonly gas_limit: number;
}

interface BidRow {
  readonly hash: Uint8Array;
  readonly max_fee: string;
  readonly max_priority_fee: string;
  readonly signed_at: number;
}

const BID = "hash, max_fee, max_priority_fee, signed_at";

function prepareAll(database: DatabaseSync) {
  const sql = database.prepare.bind(database);
  return {
    open: sql("SELECT * FROM transactions WHERE sender = ? AND status = 'open' ORDER BY nonce, id"),
    bidsOf: sql(`SELECT ${BID} FROM bids WHERE transaction_id = ? ORDER BY rowid`),
    bidsAt: sql(
      `SELECT ${BID} FROM bids JOIN transactions ON id = transaction_id WHERE sender = ? AND nonce = ? ORDER BY bids.rowid`,
    ),
    insert: sql(
      "INSERT INTO transactions (sender, nonce, kind, target, data, value, gas_limit, status) VALUES (?, ?, ?, ?, ?, ?, ?, 'open')",
    ),
    insertBid: sql(`INSERT INTO bids (transaction_id, ${BID}) VALUES (?, ?, ?, ?, ?)`),
    close: sql("UPDATE transactions SET status = ?, block_number = ?, cost = ? WHERE id = ?"),
    reopen: sql(
      "UPDATE transactions SET status = 'open', block_number = NULL, cost = NULL WHERE sender = ? AND status = 'mined' AND block_number > ?",
    ),
    lastMined: sql(
      "SELECT max(block_number) AS block FROM transactions WHERE sender = ? AND status = 'mined'",
    ),
    costs: sql(
      "SELECT DISTINCT id, cost FROM bids JOIN transactions ON id = transaction_id WHERE sender = ? AND status = 'mined' AND signed_at >= ?",
    ),
  };
}

export class SqliteTransactions implements TransactionStore {
  readonly #sql: ReturnType<typeof prepareAll>;
  readonly #transaction: <T>(work: () => T) => Promise<T>;

  /** @param transaction runs work as one transaction of the database, all or nothing */
  constructor(database: DatabaseSync, transaction: <T>(work: () => T) => Promise<T>) {
    this.#sql = prepareAll(database);
    this.#transaction = transaction;
  }

  openTransactions(sender: string): Promise<StoredTransaction[]> {
    return this.#transaction(() => {
      const rows = this.#sql.open.all(addressBytes(sender)) as unknown as TransactionRow[];
      return rows.map((row) => ({ ...intentOf(row), id: row.id, bids: this.#bidsOf(row.id) }));
    });
  }

  bidsAt(sender: string, nonce: number): Promise<Bid[]> {
    return this.#transaction(() => {
      const rows = this.#sql.bidsAt.all(addressBytes(sender), nonce) as unknown as BidRow[];
      return rows.map(bidOf);
    });
  }

  addTransaction(intent: Intent, bid: Bid): Promise<StoredTransaction> {
    const { sender, nonce, kind, to, data, value, gasLimit } = intent;
    return this.#transaction(() => {
      const { lastInsertRowid } = this.#sql.insert.run(
        addressBytes(sender),
        nonce,
        kind,
        addressBytes(to),
        bytesOf(data),
        String(value),
        gasLimit,
      );
      const id = Number(lastInsertRowid);
      this.#insertBid(id, bid);
      return { ...intent, id, bids: [bid] };
    });
  }

  addBid(id: number, bid: Bid): Promise<void> {
    return this.#transaction(() => {
      this.#insertBid(id, bid);
    });
  }

  closeTransaction(id: number, outcome: Outcome): Promise<void> {
    return this.#transaction(() => {
      const [block, cost] =
        outcome.status === "mined" ? [outcome.blockNumber, String(outcome.cost)] : [null, null];
      this.#sql.close.run(outcome.status, block, cost, id);
    });
  }

  reopenTransactions(sender: string, afterBlock: number): Promise<void> {
    return this.#transaction(() => {
      this.#sql.reopen.run(addressBytes(sender), afterBlock);
    });
  }

  lastMinedBlock(sender: string): Promise<number | undefined> {
    return this.#transaction(() => {
      const { block } = this.#sql.lastMined.get(addressBytes(sender)) as { block: number | null };
      return block ?? undefined;
    });
  }

  costSince(sender: string, signedAt: number): Promise<bigint> {
    return this.#transaction(() => {
      const rows = this.#sql.costs.all(addressBytes(sender), signedAt) as unknown as { cost: string }[];
      return rows.reduce((sum, { cost }) => sum + BigInt(cost), 0n);
    });
  }

  #bidsOf(id: number): Bid[] {
    return (this.#sql.bidsOf.all(id) as unknown as BidRow[]).map(bidOf);
  }

  #insertBid(id: number, { hash, maxFeePerGas, maxPriorityFeePerGas, signedAt }: Bid): void {
    this.#sql.insertBid.run(id, bytesOf(hash), String(maxFeePerGas), String(maxPriorityFeePerGas), signedAt);
  }
}

function intentOf({ sender, nonce, kind, target, data, value, gas_limit }: TransactionRow): Intent {
  return {
    sender: getAddress(hexOf(sender)),
    nonce,
    kind,
    to: getAddress(hexOf(target)),
    data: hexOf(data),
    value: BigInt(value),
    gasLimit: BigInt(gas_limit),
  };
}

function bidOf({ hash, max_fee, max_priority_fee, signed_at }: BidRow): Bid {
  return {
    hash: hexOf(hash),
    maxFeePerGas: BigInt(max_fee),
    maxPriorityFeePerGas: BigInt(max_priority_fee),
    signedAt: signed_at,
  };
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.slice(2), "hex");
}

function hexOf(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}
