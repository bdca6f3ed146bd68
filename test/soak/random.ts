import { createHash } from 'node:crypto';

/** A generator of numbers that look random; the same seed and stream give the same numbers. */
export interface Random {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** One of the keys, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  /**
   * Waits of a process without memory: mostly short, now and then long, `mean` on average and at most five
   * times that.
   */
  wait(mean: number): number;
}

/**
 * The generator of one stream of a run. Every part of the soak draws from a stream of its own, so that the
 * timing of one part does not change the choices of another.
 */
export function seeded(seed: number, stream: string): Random {
  const hash = createHash('sha256').update(`${seed}/${stream}`).digest();
  let [a, b, c, count] = [hash.readInt32LE(0), hash.readInt32LE(4), hash.readInt32LE(8), 1];
  // sfc32, from PractRand: small, and good enough for anything that is not a secret.
  const next = (): number => {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick(list) {
      const found = list[int(0, list.length - 1)];
      if (found === undefined) throw new Error('nothing to pick from');
      return found;
    },
    weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
      const entries = Object.entries(weights) as [K, number][];
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) return key;
      }
      throw new Error('nothing to weigh');
    },
    wait: (mean) => Math.min(-Math.log(1 - next()) * mean, mean * 5),
  };
}
