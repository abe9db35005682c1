import { TypedDataEncoder, Wallet } from "ethers";

import { makeBundle, type RolePart } from "../../agents/evidence/bundle.ts";
import { bundleJson } from "../../agents/evidence/format.ts";
import { headerRlp, readHeader } from "../../agents/evidence/header.ts";
import { feederMeterId } from "../../agents/evidence/kept-meter.ts";
import { readingsRoot } from "../../agents/evidence/readings-tree.ts";
import { bundleHash, SEAL_TYPES, sealDigest, sealed } from "../../agents/evidence/seal.ts";
import { signStatement } from "../../agents/evidence/statement.ts";
import { genesisDigest, readingDigest } from "../../agents/metering/reading.ts";
import { RECENT } from "./blocks.ts";
import { PRIVATE_KEY, VENUE } from "./statements.ts";

const EPOCH_SECONDS = 900;
const REGISTRY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const DER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const KEY = new Wallet(PRIVATE_KEY);
const FEEDER = 2;

/** A meter of a DER's own, and one that an Operator keeps; both have one key here. */
const ROLES: readonly { meter: string; der: string; part: RolePart }[] = [
  { meter: KEY.address, der: DER, part: { role: "der", claim: null } },
  {
    meter: feederMeterId(KEY.address, FEEDER),
    der: KEY.address,
    part: { role: "feeder", feeder: FEEDER, neighbours: [] },
  },
];

/** Whole bundles of one reading, with what their seals are over (EIP-712). */
export async function seals(): Promise<unknown> {
  return {
    ...VENUE,
    privateKey: PRIVATE_KEY,
    signer: KEY.address,
    bundles: await Promise.all(
      ROLES.map(async (role) => {
        const unsealed = await bundleOf(role);
        const hash = bundleHash(unsealed);
        const bundle = await sealed(KEY, unsealed);
        return {
          text: bundleJson(bundle),
          bundleHash: hash,
          structHash: TypedDataEncoder.hashStruct("Seal", SEAL_TYPES, { bundleHash: hash }),
          digest: sealDigest(VENUE, hash),
          seal: bundle.seal,
        };
      }),
    ),
  };
}

async function bundleOf({
  meter,
  der,
  part,
}: (typeof ROLES)[number]): Promise<ReturnType<typeof makeBundle>> {
  const header = headerRlp(RECENT) ?? "";
  const { number = 0, timestamp = 0, hash = "" } = readHeader(header) ?? {};
  const energyWh = 2_500n;
  const read = {
    meter,
    sequence: 0,
    registerWh: energyWh,
    powerW: 10_000n,
    blockNumber: number,
    blockHash: hash,
    previousDigest: genesisDigest(meter),
  };
  const readings = [{ ...read, digest: readingDigest(read), blockTimestamp: timestamp }];
  const statement = {
    der,
    epoch: Math.floor(timestamp / EPOCH_SECONDS),
    energyWh,
    readingsRoot: readingsRoot(readings),
    firstBlock: number,
    firstBlockHash: hash,
    lastBlock: number,
    lastBlockHash: hash,
  };
  const signature = await signStatement(KEY, VENUE, statement);
  return makeBundle(
    { before: undefined, readings, energyWh, statement, signature },
    {
      venue: VENUE,
      registry: REGISTRY,
      epochSeconds: EPOCH_SECONDS,
      meter,
      signer: KEY.address,
      headers: new Map([[number, header]]),
      commitment: null,
    },
    part,
  );
}
