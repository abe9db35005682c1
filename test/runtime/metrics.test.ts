import { expect } from "chai";

import { ConfigError } from "../../agents/runtime/config.ts";
import { Metrics } from "../../agents/runtime/metrics.ts";

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
