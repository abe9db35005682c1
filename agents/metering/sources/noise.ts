/**
 * Seeded smooth noise with random access: the weather of the simulated sources.
 *
 * This is value noise: an independent draw at every multiple of a period, eased from one to the next. Any
 * instant can be asked for in any order, so a meter that restarts sees the same weather as one that ran
 * on. Only integer operations and the four arithmetic operations are used, which IEEE 754 defines to the
 * bit, so the series is the same on every platform.
 */

/** A value for every instant (unix seconds). */
export type Noise = (unixSeconds: number) => number;

const TWO_POW_32 = 2 ** 32;

/**
 * Noise that moves smoothly between independent nodes, one per period.
 *
 * Between two nodes the value is a weighted mean of them, so over time the mean of the noise is exactly
 * the mean of a node: a forecast can be had from the distribution alone.
 *
 * @param seed an integer; other seeds give unrelated noise.
 * @param periodSeconds time from one node to the next.
 * @param node turns a uniform draw from [0, 1) into the value of a node; the draw itself when omitted.
 */
export function smoothNoise(
  seed: number,
  periodSeconds: number,
  node: (uniform: number) => number = (uniform) => uniform,
): Noise {
  return (unixSeconds) => {
    const position = unixSeconds / periodSeconds;
    const index = Math.floor(position);
    const weight = ease(position - index);
    return (1 - weight) * node(uniform(seed, index)) + weight * node(uniform(seed, index + 1));
  };
}

/** A seed unrelated to the given one, for a second process of the same plant. */
export function derivedSeed(seed: number, process: number): number {
  return mix(mix(seed) ^ process);
}

/** The draw of a node: uniform in [0, 1), a pure function of seed and index (both taken modulo 2^32). */
function uniform(seed: number, index: number): number {
  return (mix(mix(seed) ^ mix(index)) >>> 0) / TWO_POW_32;
}

/** Smoothstep 3x^2 - 2x^3: leaves and reaches a node without a kink. */
function ease(fraction: number): number {
  return fraction * fraction * (3 - 2 * fraction);
}

/**
 * Hash of a 32-bit integer in which every input bit moves every output bit. Source: C. Wellons, "lowbias32"
 * of the hash-prospector project (2018); the constant added first keeps 0 from hashing to 0.
 */
function mix(value: number): number {
  let hash = (value + 0x9e3779b9) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return hash ^ (hash >>> 16);
}
