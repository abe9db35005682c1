/** A DER's meter as it stands in its configuration file: simulated, replayed, or a device and how to reach it. */

import { readFileSync } from "node:fs";

import { z } from "zod/v4";

import { microWh, parseDecimal } from "../metering/devices/decimal.ts";
import type { Device } from "../metering/devices/device.ts";
import { mqttDevice } from "../metering/devices/mqtt.ts";
import { sunspecDevice } from "../metering/devices/sunspec.ts";
import { ENERGY_MODEL_IDS } from "../metering/devices/sunspec-models.ts";
import type { MeterSource } from "../metering/source.ts";
import { openSource, sourceSpec } from "../metering/sources/spec.ts";
import { ConfigError } from "../runtime/config.ts";
import type { Log } from "../runtime/log.ts";

const staleAfterSeconds = z.number().positive().max(86_400).default(60);
/** Of what is secret, only the name of the environment variable that holds it stands in the file. */
const variableName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, "must name an environment variable, such as MQTT_PASSWORD");
const pointer = z
  .string()
  .regex(/^(\/([^~/]|~[01])*)*$/, 'must be a JSON Pointer (RFC 6901), such as "/ENERGY/Total"');
const figure = z
  .string()
  .refine((text) => (parseDecimal(text)?.digits ?? 0n) > 0n, 'must be a decimal number, such as "99999.9"');

const mqttSpec = z
  .strictObject({
    kind: z.literal("mqtt"),
    url: z
      .url({ protocol: /^mqtts?$/, error: "must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]" })
      .refine((url) => {
        const { username, password } = new URL(url);
        return username === "" && password === "";
      }, "must not hold credentials: name their environment variables in username and password"),
    topic: z
      .string()
      .min(1)
      .regex(/^[^+#\0]*$/, "must be one topic, without wildcards"),
    username: variableName.optional(),
    password: variableName.optional(),
    /** PEM files: authority of the broker's certificate, and the own certificate with its key. */
    caFile: z.string().min(1).optional(),
    certFile: z.string().min(1).optional(),
    keyFile: z.string().min(1).optional(),
    register: pointer.default(""),
    unit: z.enum(["Wh", "kWh", "MWh"]),
    /** In that unit. */
    rollsOverAt: figure.optional(),
    power: pointer.optional(),
    powerUnit: z.enum(["W", "kW"]).default("W"),
    clock: pointer.optional(),
    identity: pointer.optional(),
    staleAfterSeconds,
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    path: ["keyFile"],
    error: "certFile and keyFile go together",
  })
  .refine(({ register, power, clock, identity }) => register !== "" || !(power ?? clock ?? identity), {
    path: ["register"],
    error: "must be given where power, clock or identity is: then a message is JSON, not a bare figure",
  });

const sunspecSpec = z.strictObject({
  kind: z.literal("sunspec"),
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535).default(502),
  unitId: z.number().int().min(0).max(247).default(1),
  model: z.literal(ENERGY_MODEL_IDS).optional(),
  timeoutSeconds: z.number().positive().max(8).default(5),
  staleAfterSeconds,
});

export const meterSpec = z.discriminatedUnion("kind", [sourceSpec, mqttSpec, sunspecSpec]);

export type MeterSpec = z.output<typeof meterSpec>;

/**
 * Opens what the meter reads. A device is connected to later: that it cannot be reached now is no fault of the file.
 * @throws {ConfigError} when a credential is not set or a certificate cannot be read.
 * @throws {ReplayError} when a replay cannot be opened.
 */
export function openMeter(spec: MeterSpec, log: Log): MeterSource | Device {
  switch (spec.kind) {
    case "mqtt":
      return openMqtt(spec, log);
    case "sunspec":
      return sunspecDevice(spec);
    default:
      return openSource(spec, ({ gaps, stuck, ...report }) => {
        log("recording opened", { ...report, gaps: gaps.length, stuck: stuck.length });
      });
  }
}

function openMqtt(spec: z.output<typeof mqttSpec>, log: Log): Device {
  const { caFile, certFile, keyFile, username, password, rollsOverAt, ...rest } = spec;
  const span = rollsOverAt === undefined ? undefined : parseDecimal(rollsOverAt);
  return mqttDevice({
    ...rest,
    spanMicroWh: span && microWh(span, spec.unit),
    username: username && secretFrom(username),
    password: password && secretFrom(password),
    ca: fileFrom("caFile", caFile),
    cert: fileFrom("certFile", certFile),
    key: fileFrom("keyFile", keyFile),
    log,
  });
}

function secretFrom(variable: string): string {
  const secret = process.env[variable];
  if (secret !== undefined && secret !== "") return secret;
  throw new ConfigError(`set the environment variable ${variable}, which the meter's configuration names`);
}

function fileFrom(field: string, path: string | undefined): Buffer | undefined {
  try {
    return path === undefined ? undefined : readFileSync(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`source.${field}: ${path ?? ""} cannot be read: ${reason}`, { cause: error });
  }
}
