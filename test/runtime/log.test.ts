import { stripVTControlCharacters } from "node:util";

import { expect } from "chai";

import { openLog } from "../../agents/runtime/log.ts";
import { Typist } from "./terminal.ts";

describe("The log", function () {
  const lines = ({ shown }: Typist): string[] => stripVTControlCharacters(shown).trimEnd().split("\n");

  /** What is shown of three events. */
  function told(typist: Typist, level: Parameters<typeof openLog>[0]["level"], to = typist.stderr): string[] {
    const log = openLog({ agent: "der", level, to });
    log("started");
    log("looked");
    log("refused", { intent: "join", deposit: 2n ** 70n });
    return lines(typist);
  }

  it("of a terminal has a line for people, with the figures under it", function () {
    const shown = told(new Typist(), "info");
    const events = shown.filter((line) => !line.startsWith(" "));
    expect(events[0]).to.match(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: started$/);
    expect(events[1]).to.match(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: refused$/);
    expect(events).to.have.length(2);
    const figures = shown.slice(shown.indexOf(events[1]!) + 1).map((line) => line.trim());
    expect(figures).to.have.members(['agent: "der"', 'intent: "join"', 'deposit: "1180591620717411303424"']);
  });

  it("of a terminal shows as much as it is told to", function () {
    const count = (level: Parameters<typeof told>[1]): number =>
      told(new Typist(), level).filter((line) => /^\[.*(INFO|WARN|DEBUG): \w+$/.test(line)).length;
    expect([count("debug"), count("info"), count("warn"), count("silent")]).to.deep.equal([3, 2, 1, 0]);
  });

  it("of anything else has a line of JSON for each event", async function () {
    const typist = new Typist();
    told(typist, "info", Object.assign(typist.stderr, { isTTY: false }));
    await new Promise((resolve) => setImmediate(resolve));
    const [started, refused] = lines(typist).map((line) => JSON.parse(line) as Record<string, string>);
    expect(started).to.include({ level: "info", agent: "der", event: "started" });
    expect(refused).to.include({ level: "warn", event: "refused", deposit: "1180591620717411303424" });
    expect(Number.isNaN(Date.parse(refused!["time"]!))).to.be.false;
  });
});
