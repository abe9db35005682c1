export interface GasOfKind {
  count: number;
  least: bigint;
  most: bigint;
  total: bigint;
}

/** The gas of every transaction the agents sent, by kind. */
export class GasLog {
  readonly #kinds = new Map<string, GasOfKind>();

  readonly note = (kind: string, gasUsed: bigint): void => {
    const { count, least, most, total } = this.#kinds.get(kind) ?? {
      count: 0,
      least: gasUsed,
      most: gasUsed,
      total: 0n,
    };
    this.#kinds.set(kind, {
      count: count + 1,
      least: gasUsed < least ? gasUsed : least,
      most: gasUsed > most ? gasUsed : most,
      total: total + gasUsed,
    });
  };

  get kinds(): ReadonlyMap<string, GasOfKind> {
    return this.#kinds;
  }
}
