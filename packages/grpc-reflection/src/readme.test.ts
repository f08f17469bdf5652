import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";

const folder = fileURLToPath(new URL("..", import.meta.url));

test("the program of the README runs", async () => {
  const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(`${folder}README.md`, "utf8")) ?? [];
  const port = await freePort();
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], {
    cwd: folder,
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const [baseUrl] = await once(createInterface(child.stdout), "line");
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl }));
    const answers = client.serverReflectionInfo(requests())[Symbol.asyncIterator]();
    expect(await answers.next()).toMatchObject({
      value: { messageResponse: { case: "fileDescriptorResponse" } },
    });
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "localhost");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

async function* requests() {
  yield { messageRequest: { case: "fileContainingSymbol", value: "grpc.health.v1.Health" } as const };
}
