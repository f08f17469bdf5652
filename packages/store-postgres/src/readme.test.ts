import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { needs } from "@event-ingestion/needs";
import { describe, expect, test } from "vitest";
import { createDatabase } from "./testing/databases.ts";
import { sharedPostgres, sharedServer } from "./testing/shared-server.ts";

const server = sharedServer(18);
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

describe("the README", needs(sharedPostgres(18)), () => {
  test("has a program that runs twice over the same database", async () => {
    const url = await createDatabase(server ?? "");
    const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(file("../README.md"), "utf8")) ?? [];
    const local = program.replace("postgres://postgres@localhost:5432/events", url);
    expect(local).not.toBe(program);
    const run = () => execFileSync(process.execPath, ["--eval", local], { cwd: file("..") });
    expect(run().toString()).toBe("ACCEPTED\n1\n");
    expect(run().toString()).toBe("DUPLICATE\n1\n");
  });
});
