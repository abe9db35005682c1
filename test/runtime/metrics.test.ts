import { expect } from "chai";

import { zeroCounters } from "../../agents/metering/devices/device.ts";
import { ConfigError } from "../../agents/runtime/config.ts";
import type { Figures } from "../../agents/runtime/figures.ts";
import { Metrics } from "../../agents/runtime/metrics.ts";

const FIGURES: Figures = {
  pending: 0,
  headTimestamp: undefined,
  headNumber: undefined,
  reorganisationDepth: 0,
  deadlineSeconds: undefined,
  meter: undefined,
  node: undefined,
  spent: () => Promise.resolve(0),
  coins: () => Promise.resolve(undefined),
};

describe("Metrics", function () {
  const ANY_PORT = { host: "127.0.0.1", port: 0 };

  it("answer 500 when a figure cannot be had, and the program goes on", async function () {
    const metrics = new Metrics("der", 1);
    metrics.watch(() => {
      throw new Error("out of reach");
    });
    const served = await metrics.serve(ANY_PORT);
    const [failed, health] = [await fetch(`${served.url}/metrics`), await fetch(`${served.url}/health`)];
    expect([failed.status, await failed.text()]).to.deep.equal([500, "Error: out of reach\n"]);
    expect(health.status).to.equal(200);
    served.close();
  });

  it("tell how long there is for what waits, and what happened to the meter", async function () {
    const metrics = new Metrics("der", 1);
    let figures = FIGURES;
    metrics.watch(() => figures);
    const served = await metrics.serve(ANY_PORT);
    const told = async (name: string): Promise<string[]> => {
      const text = await (await fetch(`${served.url}/metrics`)).text();
      return text.split("\n").filter((line) => line.startsWith(name));
    };
    expect(await told("pof_deadline_seconds")).to.deep.equal([]);
    expect(await told("pof_meter_events_total")).to.deep.equal([]);
    const meter = { ...zeroCounters(), stale: 3, rollovers: 1 };
    figures = { ...FIGURES, deadlineSeconds: 90, meter };
    for (let look = 0; look < 2; look += 1) {
      expect(await told("pof_deadline_seconds")).to.deep.equal(['pof_deadline_seconds{agent="der"} 90']);
      const events = Object.entries(meter).map(
        ([event, count]) => `pof_meter_events_total{event="${event}",agent="der"} ${count}`,
      );
      expect(await told("pof_meter_events_total")).to.deep.equal(events);
    }
    served.close();
  });

  it("say so in a line when their port is in use", async function () {
    const served = await new Metrics("der", 1).serve(ANY_PORT);
    const port = Number(new URL(served.url).port);
    const error: unknown = await new Metrics("der", 1).serve({ ...ANY_PORT, port }).then(
      () => expect.fail("the port is in use"),
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(ConfigError);
    expect((error as ConfigError).message).to.equal(
      `127.0.0.1:${port} cannot be listened on (EADDRINUSE): set metrics.port to a port that is free`,
    );
    served.close();
  });
});
