import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Pseudo-random choices: the same seed gives the same ones. */
export class Dice {
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed);
  }

  /** From 0 to before `below`, which is not above 2^31. */
  draw(below: number): number {
    return uniformInt(this.#generator, 0, below - 1);
  }

  /** From `low` to `high`, both included. */
  between(low: bigint, high: bigint): bigint {
    return low + BigInt(this.draw(Number(high - low) + 1));
  }

  oneIn(chances: number): boolean {
    return this.draw(chances) === 0;
  }

  /** One of a list; undefined of an empty one. */
  pick<T>(list: readonly T[]): T | undefined {
    return list.length > 0 ? list[this.draw(list.length)] : undefined;
  }
}
