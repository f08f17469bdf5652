import { ConnectError } from "@connectrpc/connect";
import { StoreError } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { type Asked, storeStatus } from "./store-status.ts";

const textOf = (error: StoreError, asked: Asked) => ConnectError.from(storeStatus(error, asked)).rawMessage;

test.each([
  [
    "append",
    /^the service is full, nothing was stored; retry with the same event_id$/,
    /whether anything was stored/,
  ],
  ["change", /^the service is full, nothing was done; call again$/, /whether anything was done; call again$/],
  [
    "read",
    /^the service is full, nothing was read; call again$/,
    /did not answer, nothing was read; call again$/,
  ],
] as const)("what is said of a failed %s fits it", (asked, full, unknown) => {
  expect(textOf(new StoreError("notApplied", "overloaded", ""), asked)).toMatch(full);
  expect(textOf(new StoreError("unknown", "unavailable", ""), asked)).toMatch(unknown);
});
