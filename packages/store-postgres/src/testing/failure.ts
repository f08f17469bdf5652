import { StoreError } from "@event-ingestion/store";
import { expect } from "vitest";

/** The StoreError that the call must end with. */
export async function failureOf(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StoreError);
  return error;
}
