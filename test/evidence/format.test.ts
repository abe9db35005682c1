import { expect } from "chai";

import { type Bundle, BundleFormatError, bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import { changed, type Path } from "./alterations.ts";
import { meteredEpoch } from "./metered-epoch.ts";

type Plain = Record<string, unknown>;
/** Paths of all objects in a value, the value itself included. */
function objectsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.entries(value).flatMap(([at, part]) => {
    return objectsIn(part, [...path, Array.isArray(value) ? Number(at) : at]);
  });
  return Array.isArray(value) ? inner : [path, ...inner];
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((part, step) => (part as Plain)[step], value);
}

describe("The form of a bundle", function () {
  let bundles: Bundle[];

  before(async function () {
    const { der, aggregator, feeder } = await meteredEpoch();
    bundles = [der, aggregator, feeder];
  });

  function refuses(text: string, what: string): void {
    let error: unknown;
    try {
      parseBundle(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error, what).to.be.instanceOf(BundleFormatError);
  }

  it("has every field of every object, and no other", function () {
    for (const bundle of bundles) {
      const plain: unknown = JSON.parse(bundleJson(bundle));
      for (const path of objectsIn(plain)) {
        for (const field of Object.keys(at(plain, path) as Plain)) {
          const what = [bundle.role, ...path, field].join(".");
          refuses(JSON.stringify(changed(plain, [...path, field], undefined)), `without ${what}`);
        }
        const more = [bundle.role, ...path, "more"].join(".");
        refuses(JSON.stringify(changed(plain, [...path, "more"], 1)), `with ${more}`);
      }
    }
  });

  it("has null only for what there may be none of", function () {
    const nullable = new Set<string>();
    for (const bundle of bundles) {
      const plain: unknown = JSON.parse(bundleJson(bundle));
      for (const path of objectsIn(plain)) {
        for (const field of Object.keys(at(plain, path) as Plain)) {
          const text = JSON.stringify(changed(plain, [...path, field], null));
          if (
            ["before", "header", "commitment", "claim", "leaves", "statement", "signature"].includes(field)
          ) {
            try {
              parseBundle(text);
              nullable.add([...path.filter((step) => typeof step === "string"), field].join("."));
              continue;
            } catch {
              // then it is one of the fields of these names that must not be null
            }
          }
          refuses(text, [bundle.role, ...path, field].join("."));
        }
      }
    }
    expect([...nullable].sort()).to.deep.equal([
      "before",
      "blocks.header",
      "claim",
      "commitment",
      "leaves",
      "neighbours.signature",
      "neighbours.statement",
    ]);
  });

  it("is the one text that is written for it", function () {
    const text = bundleJson(bundles[0]!);
    const { role, ...rest } = JSON.parse(text) as Plain;
    const variants: Record<string, string> = {
      "white space": `${text}\n`,
      "white space within": JSON.stringify(JSON.parse(text), null, 1),
      "another order": JSON.stringify({ ...rest, role }),
      "a field twice": text.replace("{", '{"role":"der",'),
      "a number in another form": text.replace('"version":1,', '"version":1.0,'),
      "a number with an exponent": text.replace('"epoch":1980000,', '"epoch":198e4,'),
      "escaped letters": text.replace('"der"', '"\\u0064er"'),
      "a mark of the byte order": `\uFEFF${text}`,
    };
    for (const [what, variant] of Object.entries(variants)) {
      expect(variant, what).to.not.equal(text);
      refuses(variant, what);
    }
  });

  describe("refuses", function () {
    const cases: Record<string, [Path, unknown]> = {
      "another version": [["version"], 2],
      "another format": [["format"], "proof-of-flow/other"],
      "another role": [["role"], "operator"],
      "a role by its prototype": [["role"], "constructor"],
      "no readings": [["readings"], []],
      "no blocks": [["blocks"], []],
      "readings in an object": [["readings"], { length: 1 }],
      "a short signature": [["signature"], "0x00"],
      "an address without its checksum": [["meter"], `0x${"ab".repeat(20)}`],
      "an address that is none": [["meter"], "nobody"],
      "an address in capitals": [["statement", "der"], "0X8BA1F109551BD432803012645AC136DDD64DBA72"],
      "a hash in capitals": [["statement", "firstBlockHash"], `0x${"AB".repeat(32)}`],
      "negative energy": [["statement", "energyWh"], "-1"],
      "energy with a leading zero": [["statement", "energyWh"], "02500"],
      "energy in hex": [["statement", "energyWh"], "0x10"],
      "energy as a JSON number": [["statement", "energyWh"], 2_500],
      "energy that is no number": [["statement", "energyWh"], "much"],
      "no energy at all": [["statement", "energyWh"], ""],
      "energy of 65 bits": [["statement", "energyWh"], (2n ** 64n).toString()],
      "energy of a thousand digits": [["statement", "energyWh"], "9".repeat(1_000)],
      "an epoch of 33 bits": [["statement", "epoch"], 2 ** 32],
      "a negative epoch": [["statement", "epoch"], -1],
      "half an epoch": [["statement", "epoch"], 0.5],
      "a block's number that is no whole one": [["readings", 0, "block"], 2 ** 53],
      "epochs of no length": [["epochSeconds"], 0],
      "a header of no bytes": [["blocks", 0, "header"], "0x"],
      "a header of half a byte": [["blocks", 0, "header"], "0x0"],
      "a header of ten megabytes of nothing": [["blocks", 0, "header"], `${"0x" + "ab".repeat(5e6)}x`],
      "a commitment of another kind": [["commitment", "kind"], "promise"],
      "a claim of 65 bits": [["claim", "claimWh"], (2n ** 64n).toString()],
    };
    for (const [what, [path, value]] of Object.entries(cases)) {
      it(what, function () {
        const plain: unknown = JSON.parse(bundleJson(bundles[0]!));
        refuses(JSON.stringify(changed(plain, path, value)), what);
      });
    }

    const leafCases: Record<string, [Path, unknown]> = {
      "a leaf of an account of 33 bits": [["leaves", 0, "account"], (2n ** 32n).toString()],
      "a leaf of an account that is no number": [["leaves", 0, "account"], "x"],
      "a leaf of an account with a leading zero": [["leaves", 0, "account"], "03"],
      "a leaf of energy that is no number": [["leaves", 0, "energyWh"], "x"],
      "a leaf of more energy than 64 bits hold": [["leaves", 0, "energyWh"], "9".repeat(20)],
      "a leaf of an epoch of 33 bits": [["leaves", 0, "epoch"], 2 ** 32],
      "no leaves": [["leaves"], []],
    };
    for (const [what, [path, value]] of Object.entries(leafCases)) {
      it(what, function () {
        const plain: unknown = JSON.parse(bundleJson(bundles[1]!));
        refuses(JSON.stringify(changed(plain, path, value)), what);
      });
    }

    const nonsense: Record<string, () => string> = {
      nothing: () => "",
      "half an object": () => "{",
      null: () => "null",
      "a list": () => "[]",
      "a number": () => "0",
      "a prototype": () => '{"__proto__":{"role":"der"}}',
      "a million brackets": () => "[".repeat(1e6),
      "a million lists in each other": () => "[".repeat(1e6) + "]".repeat(1e6),
      "a million lists in each other for a role": () => `{"role":${"[".repeat(1e6)}${"]".repeat(1e6)}}`,
      "a megabyte of a field's name": () => `{"role":"der","${"x".repeat(1e6)}":1}`,
      "a hundred thousand readings of nothing": () => {
        return changedText(bundles[0]!, ["readings"], new Array(1e5).fill(null));
      },
      "ten thousand blocks too many": () => {
        return changedText(bundles[0]!, ["blocks"], new Array(1e4).fill({}));
      },
    };
    for (const [what, text] of Object.entries(nonsense)) {
      it(what, function () {
        refuses(text(), what);
      });
    }
  });

  it("is refused in few words that name the place, and repeat nothing that a stranger wrote", function () {
    const plain: unknown = JSON.parse(bundleJson(bundles[0]!));
    const wrong = JSON.stringify(changed(plain, ["statement", "energyWh"], "x"));
    expect(() => parseBundle(wrong)).to.throw(BundleFormatError, /^statement\.energyWh: /);
    const foreign = JSON.stringify({ ...(plain as Plain), "\u001b[31mlook here": 1 });
    expect(() => parseBundle(foreign)).to.throw(BundleFormatError, "bundle: unknown fields");
  });

  function changedText(bundle: Bundle, path: Path, value: unknown): string {
    return JSON.stringify(changed(JSON.parse(bundleJson(bundle)), path, value));
  }
});
