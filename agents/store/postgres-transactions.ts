import type { Client } from "pg";
import { getAddress } from "ethers";

import { addressBytes } from "../metering/reading.ts";
import { hex, hexBytes } from "./bytes.ts";
import type { Session } from "./postgres-session.ts";
import type { Bid, Intent, Outcome, StoredTransaction, TransactionStore } from "./transactions.ts";

/** The same tables as in the SQLite file; amounts in wei are numeric. See sqlite-transactions.ts. */
export const TRANSACTIONS = `
  CREATE TABLE transactions (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender       bytea   NOT NULL CHECK (length(sender) = 20),
    nonce        bigint  NOT NULL,
    kind         text    NOT NULL,
    target       bytea   NOT NULL CHECK (length(target) = 20),
    data         bytea   NOT NULL,
    value        numeric NOT NULL,
    gas_limit    bigint  NOT NULL,
    status       text    NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'mined', 'displaced', 'forgotten')),
    block_number bigint,
    cost         numeric
  );
  CREATE INDEX transactions_by_nonce ON transactions (sender, nonce);
  CREATE INDEX transactions_open ON transactions (sender) WHERE status = 'open';
  CREATE TABLE bids (
    id               bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash             bytea   NOT NULL UNIQUE CHECK (length(hash) = 32),
    transaction_id   bigint  NOT NULL REFERENCES transactions (id),
    max_fee          numeric NOT NULL,
    max_priority_fee numeric NOT NULL,
    signed_at        bigint  NOT NULL
  );
  CREATE INDEX bids_by_transaction ON bids (transaction_id);
  CREATE INDEX bids_by_time ON bids (signed_at);
`;

/** Numbers as pg gives them. */
interface TransactionRow {
  readonly id: string;
  readonly sender: Buffer;
  readonly nonce: string;
  readonly kind: string;
  readonly target: Buffer;
  readonly data: Buffer;
  readonly value: string;
  readonly gas_limit: string;
}

interface BidRow {
  readonly transaction_id: string;
  readonly hash: Buffer;
  readonly max_fee: string;
  readonly max_priority_fee: string;
  readonly signed_at: string;
}

export class PostgresTransactions implements TransactionStore {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  openTransactions(sender: string): Promise<StoredTransaction[]> {
    return this.#session.transaction(async (client) => {
      const open = "SELECT * FROM transactions WHERE sender = $1 AND status = 'open'";
      const { rows } = await client.query<TransactionRow>(`${open} ORDER BY nonce, id`, [
        addressBytes(sender),
      ]);
      const { rows: bids } = await client.query<BidRow>(
        `SELECT bids.* FROM bids JOIN (${open}) AS open ON open.id = transaction_id ORDER BY bids.id`,
        [addressBytes(sender)],
      );
      return rows.map((row) => ({
        ...intentOf(row),
        id: Number(row.id),
        bids: bids.filter(({ transaction_id }) => transaction_id === row.id).map(bidOf),
      }));
    });
  }

  bidsAt(sender: string, nonce: number): Promise<Bid[]> {
    return this.#session.transaction(async (client) => {
      const { rows } = await client.query<BidRow>(
        "SELECT bids.* FROM bids JOIN transactions t ON t.id = transaction_id WHERE sender = $1 AND nonce = $2 ORDER BY bids.id",
        [addressBytes(sender), nonce],
      );
      return rows.map(bidOf);
    });
  }

  addTransaction(intent: Intent, bid: Bid): Promise<StoredTransaction> {
    const { sender, nonce, kind, to, data, value, gasLimit } = intent;
    return this.#session.transaction(async (client) => {
      const { rows } = await client.query<{ id: string }>(
        "INSERT INTO transactions (sender, nonce, kind, target, data, value, gas_limit) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        [
          addressBytes(sender),
          nonce,
          kind,
          addressBytes(to),
          Buffer.from(data.slice(2), "hex"),
          String(value),
          String(gasLimit),
        ],
      );
      const id = Number(rows[0]?.id);
      await insertBid(client, id, bid);
      return { ...intent, id, bids: [bid] };
    });
  }

  addBid(id: number, bid: Bid): Promise<void> {
    return this.#session.transaction((client) => insertBid(client, id, bid));
  }

  closeTransaction(id: number, outcome: Outcome): Promise<void> {
    return this.#session.transaction(async (client) => {
      const [block, cost] =
        outcome.status === "mined" ? [outcome.blockNumber, String(outcome.cost)] : [null, null];
      const sql = "UPDATE transactions SET status = $1, block_number = $2, cost = $3 WHERE id = $4";
      await client.query(sql, [outcome.status, block, cost, id]);
    });
  }

  reopenTransactions(sender: string, afterBlock: number): Promise<void> {
    return this.#session.transaction(async (client) => {
      await client.query(
        "UPDATE transactions SET status = 'open', block_number = NULL, cost = NULL WHERE sender = $1 AND status = 'mined' AND block_number > $2",
        [addressBytes(sender), afterBlock],
      );
    });
  }

  lastMinedBlock(sender: string): Promise<number | undefined> {
    return this.#session.transaction(async (client) => {
      const { rows } = await client.query<{ block: string | null }>(
        "SELECT max(block_number) AS block FROM transactions WHERE sender = $1 AND status = 'mined'",
        [addressBytes(sender)],
      );
      const [row] = rows;
      return row === undefined || row.block === null ? undefined : Number(row.block);
    });
  }

  costSince(sender: string, signedAt: number): Promise<bigint> {
    return this.#session.transaction(async (client) => {
      const { rows } = await client.query<{ cost: string }>(
        "SELECT coalesce(sum(cost), 0) AS cost FROM transactions t WHERE sender = $1 AND status = 'mined' AND EXISTS (SELECT FROM bids WHERE transaction_id = t.id AND signed_at >= $2)",
        [addressBytes(sender), signedAt],
      );
      return BigInt(rows[0]?.cost ?? 0);
    });
  }
}

async function insertBid(
  client: Client,
  id: number,
  { hash, maxFeePerGas, maxPriorityFeePerGas, signedAt }: Bid,
): Promise<void> {
  await client.query(
    "INSERT INTO bids (hash, transaction_id, max_fee, max_priority_fee, signed_at) VALUES ($1, $2, $3, $4, $5)",
    [hexBytes("hash", hash, 32), id, String(maxFeePerGas), String(maxPriorityFeePerGas), signedAt],
  );
}

function intentOf({ sender, nonce, kind, target, data, value, gas_limit }: TransactionRow): Intent {
  return {
    sender: getAddress(hex(sender)),
    nonce: Number(nonce),
    kind,
    to: getAddress(hex(target)),
    data: hex(data),
    value: BigInt(value),
    gasLimit: BigInt(gas_limit),
  };
}

function bidOf({ hash, max_fee, max_priority_fee, signed_at }: BidRow): Bid {
  return {
    hash: hex(hash),
    maxFeePerGas: BigInt(max_fee),
    maxPriorityFeePerGas: BigInt(max_priority_fee),
    signedAt: Number(signed_at),
  };
}
