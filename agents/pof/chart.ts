import { scaleLinear, scaleUtc } from "d3-scale";
import { area, line } from "d3-shape";

import type { CaseView, Point } from "./case.ts";
import { epochTime, grouped } from "./words.ts";

/** A case as a picture: what each meter counted over the epoch. SVG, readable on light and dark ground. */

const WIDTH = 960;
const MARGIN = { left: 84, right: 226, top: 124, bottom: 56 };
const PANEL = { height: 320, gap: 86, feederHeight: 150 };
const LABEL_PX = 17;

/** Colours that differ in lightness as well as in hue, so that they are told apart by everybody. */
const STYLE = `
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f; }
  .ground { fill: #ffffff; }
  .title { font-size: 18px; font-weight: 600; }
  .soft { fill: #57606a; }
  .axis { stroke: #57606a; stroke-width: 1; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .outside { fill: #57606a; fill-opacity: .09; }
  .curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
  .der { stroke: #0550ae; } .dot.der { fill: #0550ae; }
  .aggregator { stroke: #bc4c00; stroke-dasharray: 8 4; } .dot.aggregator { fill: #bc4c00; }
  .feeder { stroke: #1a7f37; } .dot.feeder, .left { fill: #1a7f37; }
  .dot { stroke: none; }
  .leftline { stroke: #1a7f37; stroke-width: 1.5; stroke-dasharray: 2 4; }
  .between { fill: #cf222e; fill-opacity: .13; }
  .parting { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 4; }
  .warn { fill: #a40e26; font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 5; }
  .heading { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .ground { fill: #0d1117; }
    .soft { fill: #9da7b3; }
    .axis { stroke: #9da7b3; }
    .grid { stroke: #30363d; }
    .outside { fill: #9da7b3; }
    .der { stroke: #79c0ff; } .dot.der { fill: #79c0ff; }
    .aggregator { stroke: #ffa657; } .dot.aggregator { fill: #ffa657; }
    .feeder { stroke: #56d364; } .dot.feeder, .left { fill: #56d364; }
    .leftline { stroke: #56d364; }
    .between { fill: #ff7b72; fill-opacity: .2; }
    .parting { stroke: #ff7b72; }
    .warn { fill: #ff9a92; stroke: #0d1117; }
  }`;

/** Draws a case. */
export function chartOf(view: CaseView): string {
  const panels = panelsOf(view);
  const height = (panels.at(-1)?.bottom ?? MARGIN.top) + MARGIN.bottom;
  const title = `Epoch ${view.epoch}: ${epochTime(view.epoch, view.epochSeconds)}`;
  const place = view.der === undefined ? "" : ` at the DER ${view.der}`;
  const subtitle = `Energy that the meters counted since the reading before the epoch${place}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${title}. ${subtitle}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    text(MARGIN.left, 34, title, "title"),
    text(MARGIN.left, 56, subtitle, "soft"),
    legend(view),
    ...panels.map((panel) => drawn(panel, view)),
    "</svg>\n",
  ].join("\n");
}

// -------------------------------------------------------------------------------------------------------------- Panels

type Curve = "der" | "aggregator" | "feeder";

/** Axes of its own, with one or more curves. */
interface Panel {
  readonly heading: string;
  readonly curves: readonly Curve[];
  readonly top: number;
  readonly bottom: number;
  readonly x: (unixSeconds: number) => number;
  readonly y: (wh: bigint) => number;
  readonly times: readonly { at: number; text: string }[];
  readonly levels: readonly number[];
}

/** The feeder meter sees many DERs: on the scale of one it would be out of the picture, so it has a panel of its own. */
function panelsOf(view: CaseView): Panel[] {
  const own = (["der", "aggregator"] as const).filter((role) => view.points[role] !== undefined);
  const panels: Panel[] = [];
  let top = MARGIN.top;
  const add = (heading: string, curves: readonly Curve[], height: number, also: readonly bigint[]): void => {
    panels.push(panelOf(view, { heading, curves, top, bottom: top + height }, also));
    top += height + PANEL.gap;
  };
  if (own.length > 0) {
    add("At the DER's connection", own, PANEL.height, view.feeder === undefined ? [] : [view.feeder.leftWh]);
  }
  if (view.points.feeder !== undefined) {
    add(
      "At the feeder: all DERs behind it",
      ["feeder"],
      own.length > 0 ? PANEL.feederHeight : PANEL.height,
      [],
    );
  }
  return panels;
}

function panelOf(
  view: CaseView,
  frame: Pick<Panel, "heading" | "curves" | "top" | "bottom">,
  also: readonly bigint[],
): Panel {
  const all = Object.values(view.points).flat();
  const [start, end] = epochOf(view);
  const first = Math.min(start, ...all.map(({ at }) => at));
  const x = scaleUtc([first * 1000, end * 1000], [MARGIN.left, WIDTH - MARGIN.right]);
  const highest = [...frame.curves.flatMap((curve) => view.points[curve] ?? []).map(({ wh }) => wh), ...also];
  const most = Math.max(1, ...highest.map(Number));
  const y = scaleLinear([0, most * 1.06], [frame.bottom, frame.top]);
  const format = x.tickFormat(7, "%H:%M");
  return {
    ...frame,
    x: (at) => round(x(at * 1000)),
    y: (wh) => round(y(Number(wh))),
    times: x.ticks(7).map((time) => ({ at: time.getTime() / 1000, text: format(time) })),
    levels: y.ticks(frame.bottom - frame.top > 200 ? 7 : 4).filter(Number.isInteger),
  };
}

function epochOf({ epoch, epochSeconds }: CaseView): [start: number, end: number] {
  return [epoch * epochSeconds, (epoch + 1) * epochSeconds];
}

function drawn(panel: Panel, view: CaseView): string {
  const shared = panel.curves.length > 1;
  return [
    text(MARGIN.left, panel.top - 12, panel.heading, "heading"),
    axes(panel, view),
    ...(shared ? [between(panel, view)] : []),
    ...panel.curves.map((curve) => curveOf(panel, curve, view.points[curve] ?? [])),
    ...(panel.curves.includes("feeder") ? [] : [leftOver(panel, view)]),
    ...(shared ? [partingOf(panel, view)] : []),
    endLabels(panel, view),
  ].join("\n");
}

function axes({ top, bottom, x, y, times, levels }: Panel, view: CaseView): string {
  const right = WIDTH - MARGIN.right;
  const [start] = epochOf(view);
  const middle = (top + bottom) / 2;
  return [
    ...(x(start) > MARGIN.left
      ? [
          `<rect class="outside" x="${MARGIN.left}" y="${top}" width="${round(x(start) - MARGIN.left)}" height="${bottom - top}"/>`,
        ]
      : []),
    ...levels.flatMap((level) => {
      const at = y(BigInt(level));
      return [
        `<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${at}" y2="${at}"/>`,
        text(MARGIN.left - 8, at + 4, level.toLocaleString("en"), "soft", "end"),
      ];
    }),
    ...times.flatMap(({ at, text: label }) => [
      `<line class="axis" x1="${x(at)}" x2="${x(at)}" y1="${bottom}" y2="${bottom + 5}"/>`,
      text(x(at), bottom + 20, label, "soft", "middle"),
    ]),
    `<line class="axis" x1="${MARGIN.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    text((MARGIN.left + right) / 2, bottom + 40, "time of the block (UTC)", "soft", "middle"),
    `<text class="soft" text-anchor="middle" transform="translate(22 ${middle}) rotate(-90)">energy (Wh)</text>`,
  ].join("\n");
}

// -------------------------------------------------------------------------------------------------------------- Curves

/** Beyond this many readings, dots would run into each other. */
const MOST_DOTS = 80;

function curveOf({ x, y }: Panel, curve: Curve, points: readonly Point[]): string {
  const path =
    line<Point>()
      .x(({ at }) => x(at))
      .y(({ wh }) => y(wh))([...points]) ?? "";
  const dots =
    points.length > MOST_DOTS
      ? []
      : points.map(({ at, wh }) => `<circle class="dot ${curve}" cx="${x(at)}" cy="${y(wh)}" r="3.5"/>`);
  return [`<path class="curve ${curve}" d="${path}"/>`, ...dots].join("\n");
}

/** What lies between the two meters, from where they part on. */
function between({ x, y }: Panel, { points, parting }: CaseView): string {
  if (parting === undefined) return "";
  const aggregator = new Map(points.aggregator?.map(({ at, wh }) => [at, wh]));
  const common = (points.der ?? []).filter(({ at }) => aggregator.has(at) && at >= parting.from);
  const path = area<Point>()
    .x(({ at }) => x(at))
    .y0(({ wh }) => y(wh))
    .y1(({ at }) => y(aggregator.get(at) ?? 0n))([...common]);
  return `<path class="between" d="${path ?? ""}"/>`;
}

function partingOf({ x, top, bottom }: Panel, { parting }: CaseView): string {
  if (parting?.apartWh === undefined) return "";
  const { to, apartWh, toleratedWh = 0n } = parting;
  const at = x(to);
  const apart = apartWh < 0n ? -apartWh : apartWh;
  const words = `apart by ${grouped(apart)} Wh, tolerance ${grouped(toleratedWh)} Wh`;
  const roomLeft = at - MARGIN.left > 260;
  return [
    `<line class="parting" x1="${at}" x2="${at}" y1="${top}" y2="${bottom}"/>`,
    text(roomLeft ? at - 8 : at + 8, top + 14, words, "warn", roomLeft ? "end" : "start"),
  ].join("\n");
}

/** What the feeder leaves for this DER at the end of the epoch, for comparison with both meters. */
function leftOver({ x, y }: Panel, { feeder, points }: CaseView): string {
  const end = points.feeder?.at(-1)?.at;
  if (feeder === undefined || end === undefined) return "";
  const [cx, cy] = [x(end), y(notBelow0(feeder.leftWh))];
  return [
    `<line class="leftline" x1="${MARGIN.left}" x2="${cx}" y1="${cy}" y2="${cy}"/>`,
    `<path class="left" d="M${cx - 6} ${cy}l6 -6l6 6l-6 6z"/>`,
  ].join("\n");
}

// -------------------------------------------------------------------------------------------------------------- Labels

const NAMES: Record<Curve, string> = {
  der: "DER's meter",
  aggregator: "Aggregator's meter",
  feeder: "feeder meter",
};
const LEFT_NAME = "feeder less neighbours";

/** The figures at the curves' ends, pushed apart where they would cover each other. */
function endLabels(panel: Panel, { points, feeder }: CaseView): string {
  const right = WIDTH - MARGIN.right + 10;
  const labels = panel.curves.flatMap((curve) => {
    const wh = points[curve]?.at(-1)?.wh;
    return wh === undefined ? [] : [{ y: panel.y(wh), words: `${grouped(wh)} Wh  ${NAMES[curve]}` }];
  });
  if (feeder !== undefined && !panel.curves.includes("feeder")) {
    labels.push({
      y: panel.y(notBelow0(feeder.leftWh)),
      words: `${grouped(feeder.leftWh)} Wh  ${LEFT_NAME}`,
    });
  }
  labels.sort((a, b) => a.y - b.y);
  let free = panel.top;
  return labels
    .map(({ y, words }) => {
      const at = Math.max(y, free);
      free = at + LABEL_PX;
      return text(right, at + 4, words, "");
    })
    .join("\n");
}

function legend(view: CaseView): string {
  const entries: string[] = [];
  let x = MARGIN.left;
  const y = 82;
  const add = (mark: string, words: string): void => {
    entries.push(mark, text(x + 36, y + 4, words, ""));
    x += 36 + words.length * 6.7 + 22;
  };
  for (const curve of ["der", "aggregator", "feeder"] as const) {
    if (view.points[curve] !== undefined) {
      add(`<line class="curve ${curve}" x1="${x}" x2="${x + 28}" y1="${y}" y2="${y}"/>`, NAMES[curve]);
    }
  }
  if (view.feeder !== undefined) add(`<path class="left" d="M${x + 8} ${y}l6 -6l6 6l-6 6z"/>`, LEFT_NAME);
  if (view.parting !== undefined) {
    add(`<line class="parting" x1="${x}" x2="${x + 28}" y1="${y}" y2="${y}"/>`, "part beyond the tolerance");
  }
  return entries.join("\n");
}

function text(x: number, y: number, words: string, style: string, anchor = "start"): string {
  return `<text class="${style}" x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
}

function notBelow0(wh: bigint): bigint {
  return wh > 0n ? wh : 0n;
}

function round(pixels: number): number {
  return Math.round(pixels * 100) / 100;
}
