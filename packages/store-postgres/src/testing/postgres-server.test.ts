import { once } from "node:events";
import { connect } from "node:net";
import { expect, test, vi } from "vitest";
import { execute, startPostgres } from "./postgres-server.ts";

test("a server of one's own: databases, a crash without loss, a standstill, and nothing left behind", async () => {
  const server = await startPostgres();
  try {
    const template = await server.createDatabase();
    await execute(template, "CREATE TABLE fact(n int); INSERT INTO fact VALUES (1)");
    const url = await server.createDatabase(new URL(template).pathname.slice(1));
    await execute(url, "INSERT INTO fact VALUES (2)");
    expect(await execute(template, "SELECT n FROM fact")).toEqual([{ n: 1 }]);

    const broken = execute(url, "SELECT pg_sleep(600)").catch((error: unknown) => error);
    const asleep = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    await vi.waitFor(async () => expect(await execute(url, asleep)).toEqual([{ n: 1 }]), 20_000);
    await server.kill();
    expect(await broken).toBeInstanceOf(Error);
    await server.start();
    expect(await execute(url, "SELECT n FROM fact ORDER BY n")).toEqual([{ n: 1 }, { n: 2 }]);
    expect(server.log()).toContain("redo done");

    server.freeze();
    const asked = execute(url, "SELECT 3 AS n");
    expect(await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 200))])).toBeUndefined();
    server.thaw();
    expect(await asked).toEqual([{ n: 3 }]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
  const [error] = await once(connect(server.port, "127.0.0.1"), "error");
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
});
