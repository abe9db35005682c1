import { expect } from "chai";

import { RULES } from "../../scripts/demo/terms.ts";
import { type Ending, SCENES } from "./adjudication-scenes.ts";
import { Courtroom, type Name } from "./adjudication-stage.ts";

describe("Automatic rulings, with real contracts and agents", function () {
  this.timeout(300_000);

  let room: Courtroom;
  const refusals: Record<string, string> = {};

  before(async function () {
    room = await Courtroom.open(SCENES.map(({ flows }) => flows));
    for (const [i, scene] of SCENES.entries()) {
      const epoch = room.first + i;
      if (scene.swept) room.swept.set(epoch, scene.swept);
      const { der, foreign } = scene;
      if (der) room.toDer.tamper(epoch, (honest) => der(honest, room));
      if (scene.aggregator) room.toAggregator.tamper(epoch, scene.aggregator);
      await room.play(epoch, forgeryOf(i - 1), foreign && (() => foreign(epoch, room)));
    }
    for (let i = 0; i < 4; i += 1) {
      await room.play(room.first + SCENES.length + i, i === 0 ? forgeryOf(SCENES.length - 1) : undefined);
    }
    await room.books.follow();
  });

  after(async function () {
    await room.close();
  });

  /** As an epoch begins, the one before has been swept: X disputes it with what it forged. */
  function forgeryOf(i: number): (() => Promise<void>) | undefined {
    const { forger, tried } = SCENES[i] ?? {};
    const epoch = room.first + i;
    return forger
      ? () => room.forge(epoch, forger)
      : tried && (async () => void Object.assign(refusals, await tried(epoch, room)));
  }

  for (const [i, { what, ends, because }] of SCENES.entries()) {
    for (const [name, ending] of Object.entries(ends) as [Name, Ending][]) {
      const verdict = ending === "no dispute" ? ending : `${ending[0]}, by ${ending[1]}`;
      it(`${what}: ${name}: ${verdict}`, function () {
        const epoch = room.first + i;
        const dispute = room.disputeOf(name, epoch);
        if (ending === "no dispute") {
          expect(dispute, "dispute").to.be.undefined;
          return;
        }
        const [fault, rule] = ending;
        const ruling = room.rulingOn(name, epoch);
        expect(ruling?.verdict.rule, ruling?.verdict.reasons.join("; ")).to.equal(rule);
        if (name === "x" && because !== undefined)
          expect(ruling?.verdict.reasons.find((reason) => because.test(reason))).to.not.be.undefined;
        if (fault === "a person") {
          expect(ruling?.verdict.by).to.equal("person");
          expect(dispute?.evidenceHash, "ruled on the chain").to.be.undefined;
          return;
        }
        expect(dispute).to.include({ status: "ruled", fault, evidenceHash: ruling?.evidenceHash });
        expect(dispute?.awardedWh).to.equal(ruling?.verdict.awardedWh);
        if (fault === "aggregator") expect(dispute?.awardedWh).to.equal(dispute?.claimWh);
        if (fault === "der") expect(dispute?.awardedWh).to.equal(0n);
      });
    }
  }

  it("the contract slashes alone where a sweep differs from its own committed leaf, and nowhere else", async function () {
    const expected = SCENES.flatMap(({ slashedFor = [] }, i) =>
      slashedFor.map((name) => ({
        account: room.accountOf(name),
        epoch: room.first + i,
        fine: RULES.misreportFine,
      })),
    );
    expect(expected).to.have.length(3);
    expect(await room.contradictions()).to.have.deep.members(expected);
  });

  const REFUSED: Record<string, string> = {
    "with a last block in the future": "BlockstampsOutOfOrder",
    "with an invented hash of its first block": "BlockstampMismatch",
    "with an invented hash of its last block": "BlockstampMismatch",
    "with an orphaned block": "BlockstampMismatch",
    "with a block of another chain": "BlockstampMismatch",
    "signed by a key that is not its meter's of that epoch": "WrongMeter",
    "signed for another ARIA": "WrongMeter",
    "signed for another chain": "WrongMeter",
    "signed for another epoch": "WrongMeter",
    "of another DER": "NotTheDER",
    "of an epoch that was not requested with these rows": "EpochNotRequested",
    "after two of one epoch were proven": "AlreadyDisputed",
  };
  for (const [what, reason] of Object.entries(REFUSED)) {
    it(`a statement ${what}: refused, ${reason}`, function () {
      expect(refusals[what]).to.equal(reason);
    });
  }
});
