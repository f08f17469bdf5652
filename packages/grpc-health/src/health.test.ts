import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import {
  Health,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Status,
} from "./gen/grpc/health/v1/health_pb.ts";
import { createHealth, type HealthOptions } from "./health.ts";

const name = Health.typeName;

function setup(options: HealthOptions = {}, shutdownSignal?: AbortSignal) {
  const health = createHealth([Health], options);
  const router = shutdownSignal === undefined ? {} : { shutdownSignal };
  const client = createClient(Health, createRouterTransport(health.routes, { router }));
  const check = async (service: string) => (await client.check({ service })).status;
  /** Opens a watch; each call of the function waits for its next status. */
  const watch = (service: string, signal?: AbortSignal) => {
    const statuses = client.watch({ service }, signal === undefined ? {} : { signal });
    return () => nextOf(statuses[Symbol.asyncIterator]());
  };
  return { ...health, client, check, watch };
}

async function nextOf(statuses: AsyncIterator<HealthCheckResponse>): Promise<Status | "end"> {
  const { done, value } = await statuses.next();
  return done === true ? "end" : value.status;
}

describe("Check", () => {
  test("every service and the whole process serve at first", async () => {
    const { check } = setup();
    expect(await check(name)).toBe(Status.SERVING);
    expect(await check("")).toBe(Status.SERVING);
  });

  test.each(["nobody", `${name}.`, "constructor", "__proto__"])("%s is unknown", async (service) => {
    const { check } = setup();
    await expect(check(service)).rejects.toMatchObject({ code: Code.NotFound });
  });

  test("tells what was set, service by service", async () => {
    const { check, set } = setup();
    set(name, "NOT_SERVING");
    expect(await check(name)).toBe(Status.NOT_SERVING);
    expect(await check("")).toBe(Status.SERVING);
    set("", "NOT_SERVING");
    set(name, "SERVING");
    expect(await check(name)).toBe(Status.SERVING);
    expect(await check("")).toBe(Status.NOT_SERVING);
  });

  test("setAll sets every name, also those that came later", async () => {
    const { check, set, setAll } = setup();
    set("later", "SERVING");
    setAll("NOT_SERVING");
    for (const service of ["", name, "later"]) expect(await check(service)).toBe(Status.NOT_SERVING);
    await expect(check("nobody")).rejects.toMatchObject({ code: Code.NotFound });
  });
});

test("List tells every name and its status", async () => {
  const { client, set } = setup();
  set("later", "NOT_SERVING");
  const { statuses } = await client.list({});
  expect(Object.entries(statuses).map(([service, { status }]) => [service, status])).toEqual([
    ["", Status.SERVING],
    [name, Status.SERVING],
    ["later", Status.NOT_SERVING],
  ]);
});

describe("Watch", () => {
  test("tells the status at once, then each change", async () => {
    const { set, setAll, watch } = setup();
    const next = watch(name);
    expect(await next()).toBe(Status.SERVING);
    const second = next();
    set(name, "SERVING");
    set("", "NOT_SERVING");
    set(name, "NOT_SERVING");
    expect(await second).toBe(Status.NOT_SERVING);
    const third = next();
    setAll("SERVING");
    expect(await third).toBe(Status.SERVING);
  });

  test("stays open for an unknown name until it becomes known", async () => {
    const { set, watch } = setup();
    const next = watch("later");
    expect(await next()).toBe(Status.SERVICE_UNKNOWN);
    const known = next();
    set("later", "SERVING");
    expect(await known).toBe(Status.SERVING);
  });

  test("tells a slow reader the latest status only", async () => {
    const { set, watch } = setup();
    const next = watch("later");
    expect(await next()).toBe(Status.SERVICE_UNKNOWN);
    set("later", "NOT_SERVING");
    set("later", "SERVING");
    expect(await next()).toBe(Status.SERVING);
    set("later", "NOT_SERVING");
    set("later", "SERVING");
    const back = next();
    set("later", "NOT_SERVING");
    expect(await back).toBe(Status.NOT_SERVING);
  });

  test("tells all watchers of a name", async () => {
    const { set, watch } = setup();
    const all = Array.from({ length: 100 }, () => watch(name));
    await Promise.all(all.map((next) => next()));
    const changes = all.map((next) => next());
    set(name, "NOT_SERVING");
    expect(new Set(await Promise.all(changes))).toEqual(new Set([Status.NOT_SERVING]));
  });

  test("takes no more than maxWatchers, and gives back the place of one that left", async () => {
    const { watch } = setup({ maxWatchers: 2 });
    const leaving = new AbortController();
    const first = watch("", leaving.signal);
    await first();
    await watch("")();
    await expect(watch("")()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    leaving.abort();
    await expect(first()).rejects.toMatchObject({ code: Code.Canceled });
    expect(await watch("")()).toBe(Status.SERVING);
    await expect(watch("")()).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  test("ends with the reason when the server shuts down", async () => {
    const shutdown = new AbortController();
    const { watch } = setup({}, shutdown.signal);
    const next = watch("");
    await next();
    const end = next();
    shutdown.abort(new ConnectError("going away", Code.Unavailable));
    await expect(end).rejects.toMatchObject({ code: Code.Unavailable, rawMessage: "going away" });
  });

  test("ends at the caller's deadline, and gives its place back", async () => {
    const { client, watch } = setup({ maxWatchers: 1 });
    const statuses = client.watch({ service: "" }, { timeoutMs: 20 })[Symbol.asyncIterator]();
    const end = nextOf(statuses).then(() => nextOf(statuses));
    await expect(end).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    expect(await watch("")()).toBe(Status.SERVING);
  });

  test("refuses a name over 1024 characters", async () => {
    const { watch } = setup();
    expect(await watch("x".repeat(1024))()).toBe(Status.SERVICE_UNKNOWN);
    await expect(watch("x".repeat(1025))()).rejects.toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: "service must be at most 1024 characters, got 1025",
    });
  });
});

test.each([0, 1.5, Number.NaN, 1_000_001])("maxWatchers %d is refused", (maxWatchers) => {
  expect(() => createHealth([], { maxWatchers })).toThrow(
    new RangeError(`maxWatchers must be a whole number from 1 to 1000000, got ${maxWatchers}`),
  );
});

test("1000 watchers are taken unless said otherwise", async () => {
  const { watch } = setup();
  await Promise.all(Array.from({ length: 1000 }, () => watch("")()));
  await expect(watch("")()).rejects.toMatchObject({ code: Code.ResourceExhausted });
});
