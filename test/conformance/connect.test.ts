import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { needs } from "@event-ingestion/needs";
import { describe, expect, test } from "vitest";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// Connect's conformance suite: its clients, and grpc-go's, make every kind of call over every protocol, codec, compression
// and version of HTTP, with and without TLS. No case may fail.

const run = promisify(execFile);
const program = "connectconformance";
const features = `${root}test/conformance/features.yaml`;
const server = `${root}packages/server/src/http/testing/conformance/conformance-server.ts`;

/** These compare how long a message was under way with half a second, which a machine may not have to spare. */
const timed = "Deadline Propagation/";

describe("connectconformance", needs("connectconformance", "go"), () => {
  test.each([
    ["with the fast path", "fast"],
    ["with connect for all calls", "connect"],
  ])(
    "every case passes, %s",
    async (_, path) => {
      using dir = tempDir();
      const descriptors = join(dir.path, "conformance.binpb");
      const protos = join(moduleFolder(), "proto");
      const flags = ["--as-file-descriptor-set", "-o", descriptors];
      await run(`${root}node_modules/.bin/buf`, ["build", protos, ...flags]);

      const first = await cases(descriptors, path, ["--parallel", "4"]);
      expect(first.output).toContain("Total cases: 3640\n");
      expect(first.failed.filter((name) => !name.startsWith(timed))).toEqual([]);
      for (const name of first.failed)
        expect(await cases(descriptors, path, ["--run", name])).toMatchObject({ failed: [] });
    },
    300_000,
  );
});

/** The Go module that the program was built from, which has its .proto files; fetched if need be. */
function moduleFolder(): string {
  const build = execFileSync("sh", ["-c", `go version -m "$(command -v ${program})"`], { encoding: "utf8" });
  const [, path, version] = /^\tmod\t(\S+)\t(\S+)/m.exec(build) ?? [];
  const answer = execFileSync("go", ["mod", "download", "-json", `${path}@${version}`], { encoding: "utf8" });
  const { Dir }: { Dir: string } = JSON.parse(answer);
  return Dir;
}

/** Lets the suite start servers and call them. */
async function cases(descriptors: string, path: string, flags: string[]) {
  const suite = ["--mode", "server", "--conf", features, ...flags];
  const command = [process.execPath, server, descriptors, path];
  const ended = await run(program, [...suite, "--", ...command]).catch((error: { stdout: string }) => error);
  const output = ended.stdout;
  return { output, failed: [...output.matchAll(/^FAILED: (.*):$/gm)].map(([, name = ""]) => name) };
}
