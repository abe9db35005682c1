import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { expect } from "chai";

import { type Device, DeviceError } from "../../../agents/metering/devices/device.ts";
import { httpDevice } from "./http-device.ts";

describe("The example of a meter source, over HTTP", function () {
  let server: Server;
  let answer: [status: number, body: string];
  let device: Device;

  before(async function () {
    server = createServer((_request, response) => {
      const [status, body] = answer;
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    device = httpDevice(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, "/0/total_returned");
  });

  after(function () {
    server.close();
  });

  async function kindOfRefusal(): Promise<string | undefined> {
    const error: unknown = await device.sample().catch((reason: unknown) => reason);
    return error instanceof DeviceError ? error.kind : undefined;
  }

  it("reads the register, exactly", async function () {
    answer = [200, '[{"total_returned": 1234567890123.4}]'];
    const { registerMicroWh, stepMicroWh } = (await device.sample())!;
    expect([registerMicroWh, stepMicroWh]).to.deep.equal([1_234_567_890_123_400_000n, 100_000n]);
  });

  it("tells what is wrong by its kind", async function () {
    answer = [503, ""];
    expect(await kindOfRefusal()).to.equal("unreachable");
    answer = [200, "oops"];
    expect(await kindOfRefusal()).to.equal("malformed");
    answer = [200, '[{"total_returned": null}]'];
    expect(await kindOfRefusal()).to.equal("missing");
    expect(device.counters).to.include({ disconnects: 1, reconnects: 1 });
  });
});
