/** The seed of all random cases: `SEED` of the environment, or another one each time. */
export const seed: number = Number(process.env["SEED"] ?? Math.trunc(Math.random() * 0x7fff_ffff));

/** Numbers from 0 to below 1 that depend on nothing but the seed (mulberry32). */
export function createRandom(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
