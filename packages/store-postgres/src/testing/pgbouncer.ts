import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAs } from "./installation.ts";
import { freePort } from "./postgres-server.ts";

/** A PgBouncer in front of the server of that URL, for its superuser. */
export interface PgBouncer extends AsyncDisposable {
  /** That URL, by way of the pooler. */
  through: (url: string) => string;
}

/** `mode` is its pool_mode. It has at most 4 sessions of the server for each database. */
export async function startPgBouncer(serverUrl: string, mode: string): Promise<PgBouncer> {
  const { hostname, port: serverPort } = new URL(serverUrl);
  const folder = mkdtempSync(join(tmpdir(), "pgbouncer-"));
  const port = await freePort();
  const file = join(folder, "pgbouncer.ini");
  writeFileSync(
    file,
    `[databases]
* = host=${hostname} port=${serverPort} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = 4
`,
  );
  chmodSync(folder, 0o755);
  const child = spawn("pgbouncer", [file], { ...runAs, stdio: ["ignore", "ignore", "pipe"] });
  const killNow = () => void child.kill("SIGKILL");
  process.once("exit", killNow);
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      if (log.includes("process up")) resolve();
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`PgBouncer did not start:\n${log}`)));
  });
  return {
    through(url) {
      const changed = new URL(url);
      changed.port = String(port);
      return changed.href;
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
      process.off("exit", killNow);
      rmSync(folder, { recursive: true });
    },
  };
}
