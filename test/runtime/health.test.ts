import { mock } from "node:test";

import { expect } from "chai";

import { Metrics } from "../../agents/runtime/metrics.ts";

describe("/health", function () {
  let served: { readonly url: string; close(): void } | undefined;

  beforeEach(function () {
    mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 });
  });

  afterEach(function () {
    served?.close();
    mock.timers.reset();
  });

  const pass = (seconds: number): void => {
    mock.timers.tick(seconds * 1_000);
  };

  async function asked(path = "/health"): Promise<[status: number, text: string]> {
    const response = await fetch(`${served!.url}${path}`);
    return [response.status, await response.text()];
  }

  const cases: [pollSeconds: number, lateSeconds: number][] = [
    [2, 60],
    [30, 300],
  ];
  for (const [pollSeconds, lateSeconds] of cases) {
    it(`is 503 when an agent that looks every ${pollSeconds} s has not for ${lateSeconds} s, and 200 when it has again`, async function () {
      const metrics = new Metrics("der", pollSeconds);
      served = await metrics.serve({ host: "127.0.0.1", port: 0 });
      expect(await asked(), "as it starts").to.deep.equal([200, "ok\n"]);
      pass(lateSeconds);
      metrics.looked();
      metrics.failed(); // it is late once it has failed for long, not at the first failure
      pass(lateSeconds);
      expect(await asked()).to.deep.equal([200, "ok\n"]);
      pass(1);
      expect(await asked()).to.deep.equal([503, `no look at the chain for ${lateSeconds + 1} s\n`]);
      metrics.looked();
      expect(await asked()).to.deep.equal([200, "ok\n"]);
    });
  }

  it("is 503 for an agent that never looked", async function () {
    served = await new Metrics("der", 2).serve({ host: "127.0.0.1", port: 0 });
    pass(61);
    expect(await asked()).to.deep.equal([503, "no look at the chain for 61 s\n"]);
  });

  it("is all there is besides /metrics", async function () {
    const metrics = new Metrics("der", 2);
    served = await metrics.serve({ host: "127.0.0.1", port: 0 });
    metrics.failed();
    const [status, text] = await asked("/metrics");
    expect(status).to.equal(200);
    expect(text).to.contain('pof_failed_looks_in_a_row{agent="der"} 1\n');
    expect((await asked("/"))[0]).to.equal(404);
  });
});
