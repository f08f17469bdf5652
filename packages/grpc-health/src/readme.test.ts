import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "./gen/grpc/health/v1/health_pb.ts";

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
    const client = createClient(Health, createGrpcTransport({ baseUrl }));
    const statuses = client.watch({ service: "" })[Symbol.asyncIterator]();
    expect(await statuses.next()).toMatchObject({ value: { status: Status.SERVING } });
    child.kill("SIGTERM");
    expect(await statuses.next()).toMatchObject({ value: { status: Status.NOT_SERVING } });
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
