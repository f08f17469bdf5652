import { expect, test } from "vitest";
import type { Query } from "./connection.ts";
import { checkServer, durabilityOf } from "./server-check.ts";
import { failureOf } from "../testing/failure.ts";

const settings = {
  server_encoding: "UTF8",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  synchronous_standby_names: "",
  default_transaction_isolation: "read committed",
  client_min_messages: "warning",
  transaction_read_only: "off",
};

/** A server that says this of itself: machines have only some of the versions. */
function serverThatSays(facts: object): Query {
  return <Row>() => Promise.resolve([{ version: 180_004, settings, replicas: 0, ...facts }] as Row[]);
}

test("the oldest version is 15", async () => {
  expect(await checkServer(serverThatSays({ version: 150_000 }), "it")).toMatchObject({ version: 150_000 });
  expect(await failureOf(checkServer(serverThatSays({ version: 140_012 }), "it"))).toMatchObject({
    outcome: "notApplied",
    reason: "incompatible",
    message: "it has version 14; 15 or newer is needed",
  });
});

test("replica-fsync takes both: commits that wait, and a standby that is there", async () => {
  const waiting = { ...settings, synchronous_standby_names: "ANY 1 (a, b)" };
  for (const [facts, durability] of [
    [{ settings: waiting, replicas: 1 }, "replica-fsync"],
    [{ settings: waiting, replicas: 0 }, "fsync"],
    [{ settings: { ...settings, synchronous_standby_names: " " }, replicas: 1 }, "fsync"],
  ] as const) {
    expect(durabilityOf(await checkServer(serverThatSays(facts), "it"))).toBe(durability);
  }
});
