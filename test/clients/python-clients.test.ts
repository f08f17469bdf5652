import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { needs, pythonWithGrpc } from "@event-ingestion/needs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root, type ServerProcess, startServer } from "../support/server-process.ts";

// gRPC's own implementation in C, through both interfaces that Python has to it.

const shared = [
  "unary",
  "200 at once",
  "batch",
  "stream",
  "deadline",
  "errors",
  "metadata",
  "gzip",
  "cancellation",
  "health",
];

describe.each([
  { program: "sync_client.py", cases: [...shared, "from 8 threads"] },
  { program: "asyncio_client.py", cases: shared },
])("gRPC for Python: $program", needs("grpcio"), ({ program, cases }) => {
  let server: ServerProcess;
  let results: Map<string, string>;
  beforeAll(async () => {
    server = await startServer({ env: { STORE_URL: "sqlite::memory:" } });
    results = await run(program, `127.0.0.1:${server.port}`);
  }, 120_000);
  afterAll(() => server.stop());

  test.each(cases)("%s", (name) => {
    expect(results.get(name)).toBe("");
  });

  test("every case of the program is named here", () => {
    expect(Array.from(results.keys()).toSorted()).toEqual(cases.toSorted());
  });
});

/** What went wrong in each case of that program; nothing: "". */
async function run(program: string, address: string): Promise<Map<string, string>> {
  const { stdout } = await promisify(execFile)(
    pythonWithGrpc(),
    [`${root}test/clients/python/${program}`, address],
    { env: { PATH: process.env["PATH"], PYTHONDONTWRITEBYTECODE: "1" }, timeout: 100_000 },
  );
  const lines = stdout.trim().split("\n");
  return new Map(
    lines.map((line) => {
      const { name, error } = JSON.parse(line) as { name: string; error: string };
      return [name, error];
    }),
  );
}
