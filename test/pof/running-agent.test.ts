import { expect } from "chai";

import { zeroCounters } from "../../agents/metering/devices/device.ts";
import { agentWords, runningAgent } from "../../agents/pof/running-agent.ts";
import { Metrics } from "../../agents/runtime/metrics.ts";

describe("What pof status says of an agent that runs", function () {
  const metrics = new Metrics("der", 1);
  let served: Awaited<ReturnType<Metrics["serve"]>>;
  let deadlineSeconds: number | undefined;
  let meter: ReturnType<typeof zeroCounters> | undefined;

  before(async function () {
    metrics.watch(() => ({
      pending: 0,
      headTimestamp: undefined,
      headNumber: undefined,
      reorganisationDepth: 0,
      deadlineSeconds,
      meter,
      node: undefined,
      spent: () => Promise.resolve(0),
      coins: () => Promise.resolve(undefined),
    }));
    served = await metrics.serve({ host: "127.0.0.1", port: 0 });
  });

  after(function () {
    served.close();
  });

  const asked = (port = Number(new URL(served.url).port)): ReturnType<typeof runningAgent> =>
    runningAgent({ metrics: { host: "127.0.0.1", port } });

  it("is what it counted of its meter, and how long there is for what waits", async function () {
    [deadlineSeconds, meter] = [90, { ...zeroCounters(), readings: 0, stale: 3, rollovers: 1 }];
    const agent = await asked();
    expect(agent).to.deep.equal({ url: `${served.url}/metrics`, runs: true, deadlineSeconds: 90, meter });
    expect(agentWords(agent!)).to.equal(
      "runs; 90 s left for what waits to be done; meter: readings 0, stale 3, rollovers 1",
    );
  });

  it("is that it runs, where there is nothing else to say", async function () {
    [deadlineSeconds, meter] = [undefined, undefined];
    const agent = await asked();
    expect(agent).to.include({ runs: true, deadlineSeconds: null }).and.to.have.deep.property("meter", {});
    expect(agentWords(agent!)).to.equal("runs");
  });

  it("is that it does not run where nobody answers, and nothing without a port", async function () {
    expect(agentWords((await asked(1))!)).to.equal("does not run: no answer from http://127.0.0.1:1/metrics");
    expect(await runningAgent({ metrics: { host: "127.0.0.1", port: undefined } })).to.be.undefined;
  });
});
