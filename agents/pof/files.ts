import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Bundle, BundleFormatError, parseBundle } from "../evidence/format.ts";
import { Failure, reasonOf } from "./failure.ts";

/** Far more than a bundle of one reading a second needs; anything larger is another file by mistake. */
const MOST_BYTES = 256 * 2 ** 20;

/** The text of a file, byte for byte. @throws {Failure} */
export function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > MOST_BYTES) throw new Failure(2, `${file} has ${size} bytes: that is no bundle`);
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(2, `${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** A bundle in JSON text, or why it is none. */
export function bundleIn(text: string): Bundle | BundleFormatError {
  try {
    return parseBundle(text);
  } catch (error) {
    if (error instanceof BundleFormatError) return error;
    throw error;
  }
}

/** Writes a file. @throws {Failure} */
export function writeText(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new Failure(2, `${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}

/** Makes a folder, with those above it, if it is not there. @throws {Failure} if something is in it */
export function emptyFolder(folder: string): string {
  try {
    if (existsSync(folder) && readdirSync(folder).length > 0) {
      throw new Failure(2, `${folder} is not empty: name a folder that is, or one that does not exist`);
    }
    mkdirSync(folder, { recursive: true });
    return folder;
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(2, `${folder} cannot be used as a folder: ${reasonOf(error)}`, { cause: error });
  }
}

/** Writes files into a folder. @param texts by file name; undefined for what is not there */
export function writeTexts(folder: string, texts: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(texts).flatMap(([name, text]) => {
    if (text === undefined) return [];
    writeText(join(folder, name), text);
    return [name];
  });
}
