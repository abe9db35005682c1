/**
 * Reads the rows of a measurement file: a time stamp and the text of one cell each. What the cells are
 * worth is judged in `cleaning.ts`. Bad rows are counted, never thrown on; a wrong option is an error.
 */

import { readFileSync } from "node:fs";

import { CsvError, parse, type Options } from "csv-parse/sync";
import { DateTime, IANAZone } from "luxon";

/** What can be wrong with a replay's options, for programs to tell apart. */
export type ReplayErrorCode =
  | "unreadable-file"
  | "unknown-column"
  | "unknown-unit"
  | "unknown-zone"
  | "unreadable-time"
  | "no-usable-rows";

/** A replay cannot be opened with these options; the message says in one line how to mend that. */
export class ReplayError extends Error {
  override readonly name = "ReplayError";
  readonly code: ReplayErrorCode;

  constructor(code: ReplayErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Which cells of which file, and how its clock is to be read. */
export interface CsvOptions {
  /** Path of the file; columns separated by comma or semicolon, the first line naming them. */
  readonly file: string;
  /** Name of the column to read. */
  readonly column: string;
  /** Name of the column with the time stamps; the first column when omitted. */
  readonly timeColumn?: string | undefined;
  /** IANA zone of stamps that carry no offset; UTC when omitted. */
  readonly zone?: string | undefined;
  /** Format of the stamps in Luxon's tokens; ISO 8601 and M/D/YYYY H:MM are understood without it. */
  readonly timeFormat?: string | undefined;
}

/** A cell and the time at which its step begins. */
export interface StampedCell {
  readonly unixSeconds: number;
  /** Midnight at which the stamp's local day began, unix seconds. */
  readonly dayStart: number;
  /** Text of the cell, with a decimal point; empty when the row ends before it. */
  readonly cell: string;
}

/** The rows of a file, in its order. */
export interface StampedCells {
  readonly cells: readonly StampedCell[];
  /** Rows below the header, of any kind. */
  readonly rows: number;
  /** Rows left out because their time stamp could not be read. */
  readonly unparseable: number;
}

/** Years of a clock that is set; anything else is a stamp that cannot be trusted. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 9999;

/**
 * Reads time and text of one column.
 *
 * @throws ReplayError unreadable-file, unknown-column, unknown-zone, unreadable-time or no-usable-rows.
 */
export function readCells(options: CsvOptions): StampedCells {
  const zone = options.zone ?? "UTC";
  if (!IANAZone.isValidZone(zone)) {
    throw new ReplayError("unknown-zone", `unknown zone "${zone}": give an IANA name such as Europe/Zurich`);
  }
  const text = readText(options.file);
  const delimiter = delimiterOf(text);
  const [header = [], ...records] = parseRecords(text, delimiter);
  if (records.length === 0) {
    throw new ReplayError(
      "no-usable-rows",
      `${options.file} has no rows: give a file with a header and data`,
    );
  }
  const timeIndex =
    options.timeColumn === undefined ? 0 : columnIndex(header, options.timeColumn, options.file);
  const cellIndex = columnIndex(header, options.column, options.file);

  const midnight = midnights();
  const cells: StampedCell[] = [];
  for (const record of records) {
    const stamp = parseStamp(record[timeIndex] ?? "", zone, options.timeFormat);
    if (stamp === undefined) continue;
    const cell = withDecimalPoint(record[cellIndex] ?? "", delimiter);
    cells.push({ unixSeconds: stamp.toUnixInteger(), dayStart: midnight(stamp), cell });
  }
  if (cells.length === 0) {
    const [firstRecord = []] = records;
    throw new ReplayError(
      "unreadable-time",
      `no time stamp in column "${header[timeIndex] ?? ""}" of ${options.file} can be read, ` +
        `the first is "${firstRecord[timeIndex] ?? ""}": set timeColumn or timeFormat`,
    );
  }
  return { cells, rows: records.length, unparseable: records.length - cells.length };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ReplayError("unreadable-file", `cannot read ${file}: check its path (${reason})`);
  }
}

/** The separator that the first line, the header, has more of. */
function delimiterOf(text: string): "," | ";" {
  const [header = ""] = text.trimStart().split(/\r\n|\n|\r/, 1);
  return header.split(";").length > header.split(",").length ? ";" : ",";
}

/** Records as lists of trimmed cells. Ragged rows and stray quotes are let through, to be judged one by one. */
function parseRecords(text: string, delimiter: string): string[][] {
  const dialect: Options = {
    bom: true,
    delimiter,
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    trim: true,
  };
  const trimmed = (records: string[][]): string[][] =>
    records.map((record) => record.map((cell) => cell.trim()));
  try {
    return trimmed(parse(text, dialect));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // A quote that is never closed swallows the rest of the file: read on as if there were no quotes.
    return trimmed(parse(text.replaceAll('"', ""), { ...dialect, quote: null }));
  }
}

function columnIndex(header: readonly string[], name: string, file: string): number {
  const index = header.indexOf(name.trim());
  if (index >= 0) return index;
  const names = header.map((column) => (column === "" ? "(no name)" : column)).join(", ");
  throw new ReplayError("unknown-column", `${file} has no column "${name}": its columns are ${names}`);
}

/** Where the semicolon separates columns, the comma is free to be the decimal sign, and is. */
function withDecimalPoint(cell: string, delimiter: "," | ";"): string {
  return delimiter === ";" ? cell.replace(",", ".") : cell;
}

/**
 * The instant of a stamp, in the stamp's own offset or else in the zone; undefined when it is none. A local
 * hour that a clock change repeats is read as its first occurrence, so the rows of the second count as
 * duplicates: an hour too little rather than one too much.
 */
function parseStamp(text: string, zone: string, timeFormat: string | undefined): DateTime | undefined {
  const setting = { zone, setZone: true };
  const stamp =
    timeFormat === undefined
      ? parseCommonStamp(text, setting)
      : DateTime.fromFormat(text, timeFormat, setting);
  return stamp?.isValid && stamp.year >= FIRST_YEAR && stamp.year <= LAST_YEAR ? stamp : undefined;
}

/** ISO 8601, also with a blank for its T, and the M/D/YYYY H:MM[:SS] of spreadsheets. */
function parseCommonStamp(text: string, setting: { zone: string; setZone: boolean }): DateTime | undefined {
  // A full date must lead: Luxon would place a bare time of day on today.
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    return DateTime.fromISO(text.replace(/^(\S{10}) +/, "$1T").replace(" ", ""), setting);
  }
  const hasSeconds = text.split(":").length === 3;
  return DateTime.fromFormat(text, hasSeconds ? "M/d/yyyy H:mm:ss" : "M/d/yyyy H:mm", setting);
}

/** Finds the midnight before a stamp; each date of a zone is asked for once, as a zone's rules are slow. */
function midnights(): (stamp: DateTime) => number {
  const known = new Map<string, number>();
  return (stamp) => {
    const date = `${stamp.toISODate()} ${stamp.zoneName}`;
    const midnight = known.get(date) ?? stamp.startOf("day").toUnixInteger();
    known.set(date, midnight);
    return midnight;
  };
}
