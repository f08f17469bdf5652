import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { WorkerService } from "@event-ingestion/api/worker/v1";
import { expect, test } from "vitest";
import { watchCalls } from "./watch-calls.ts";

/** A client whose calls are refused while the name of the rpc is in `refused`, with what it was told. */
function setup() {
  const told: (Code | "up")[] = [];
  const refused = new Map<string, Code>();
  const watch = watchCalls((error) => told.push(error === undefined ? "up" : error.code));
  const check = (name: string) => {
    const code = refused.get(name);
    if (code !== undefined) throw new ConnectError("refused", code);
    return {};
  };
  const transport = createRouterTransport(
    (router) =>
      router.service(WorkerService, {
        openSession: () => check("openSession"),
        claim: () => check("claim"),
        heartbeat: () => check("heartbeat"),
      }),
    { transport: { interceptors: [watch.interceptor] } },
  );
  const client = createClient(WorkerService, transport);
  const call = (name: "openSession" | "claim" | "heartbeat", options = {}) =>
    client[name]({}, options).catch(() => undefined);
  return { told, refused, watch, call };
}

test("it is told of each change once, and nothing is known before the first call", async () => {
  const { told, refused, watch, call } = setup();
  expect(watch.isUp()).toBe(false);
  await call("openSession");
  await call("claim");
  expect([watch.isUp(), told]).toEqual([true, ["up"]]);
  refused.set("claim", Code.Unavailable);
  for (let n = 0; n < 3; n++) await call("claim");
  expect([watch.isUp(), told]).toEqual([false, ["up", Code.Unavailable]]);
  refused.clear();
  await call("claim");
  expect([watch.isUp(), told]).toEqual([true, ["up", Code.Unavailable, "up"]]);
});

test("a heartbeat that is answered does not make up for a claim that is refused", async () => {
  const { told, refused, call } = setup();
  await call("openSession");
  refused.set("claim", Code.Unavailable);
  for (let n = 0; n < 3; n++) {
    await call("claim");
    await call("heartbeat");
  }
  expect(told).toEqual(["up", Code.Unavailable]);
});

test("a session that could be opened is a new beginning, whatever failed before", async () => {
  const { told, refused, call } = setup();
  refused.set("claim", Code.Unavailable).set("heartbeat", Code.DeadlineExceeded);
  await call("claim");
  await call("heartbeat");
  await call("openSession");
  expect(told).toEqual([Code.Unavailable, "up"]);
});

test("what the worker itself gave up, or asked wrongly, says nothing of the server", async () => {
  const { told, refused, call } = setup();
  await call("openSession");
  refused.set("claim", Code.InvalidArgument);
  await call("claim");
  await call("heartbeat", { signal: AbortSignal.abort(new Error("stop")) });
  expect(told).toEqual(["up"]);
  refused.set("claim", Code.DeadlineExceeded);
  await call("claim");
  expect(told).toEqual(["up", Code.DeadlineExceeded]);
});
