import * as fc from "fast-check";
import type { Engine } from "../case.ts";
import type { Seen } from "./compare.ts";
import type { Model } from "./model.ts";

/** A store, the model it is compared with, and the last look at each job. */
export interface Run {
  readonly engine: Engine;
  readonly model: Model;
  readonly seen: Seen;
}

/** One call with its input: made on the store and on the model, and the two answers compared. */
export interface Step {
  perform(run: Run): Promise<void>;
}

/** That call with any such input. */
export function step<T>(
  name: string,
  input: fc.Arbitrary<T>,
  perform: (run: Run, input: T) => Promise<void>,
): fc.Arbitrary<Step> {
  return input.map((value) => ({
    perform: (run) => perform(run, value),
    [fc.toStringMethod]: () => `${name}(${fc.stringify(value)})`,
  }));
}

/** That call, which needs no input. */
export function plainStep(name: string, perform: (run: Run) => Promise<void>): fc.Arbitrary<Step> {
  return fc.constant({ perform, [fc.toStringMethod]: () => `${name}()` });
}

/** Objects with any such fields. They have a prototype, which makes them shorter to print. */
export function anyOf<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true });
}

/** Stands for one of the sessions or jobs that there are by then. */
export const anyIndex: fc.Arbitrary<number> = fc.nat(99);

/** What the index stands for, if there is anything. */
export const pick = <T>(choices: readonly T[], index: number): T | undefined =>
  choices[index % choices.length];
