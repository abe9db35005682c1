/** Figures by name; a name says what its unit is. */
export type Figures = Readonly<Record<string, number>>;

/** What a figure is to stay under (`atMost`) or reach (`atLeast`). */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

/** One part of the benchmark. Names of figures are unique among all parts. */
export interface Part {
  readonly name: string;
  /** By name of the figure. Figures without one are there to compare with. */
  readonly targets: Readonly<Record<string, Target>>;
  measure(): Promise<Figures>;
}

export function meets(figure: number, target: Target): boolean {
  return "atMost" in target ? figure <= target.atMost : figure >= target.atLeast;
}
