import { fileURLToPath } from "node:url";
import { type LoggingProcess, startLogging } from "./logging-process.ts";

/** The folder of the workspace. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** The bundle that ships. */
export const serverMain: string = `${root}apps/server/dist/main.js`;

/** The bundle of the command line client. */
export const clientMain: string = `${root}apps/client/dist/main.js`;

/** The bundle of the worker. */
export const workerMain: string = `${root}apps/worker/dist/main.js`;

/** `event-server` in a process of its own. */
export interface ServerProcess extends LoggingProcess {
  url: string;
  port: number;
}

export interface ServerProcessOptions {
  /** Beside PORT=0 and JSON logs. */
  env?: Record<string, string>;
  /** What to start instead of node and the bundle: the words before them, strace for example. */
  wrapper?: readonly string[];
  cwd?: string;
}

/** Starts the server on any free port and waits until it says where it listens. */
export async function startServer({
  env = {},
  wrapper = [],
  cwd = root,
}: ServerProcessOptions): Promise<ServerProcess> {
  const server = startLogging([...wrapper, process.execPath, serverMain], {
    env: { PORT: "0", ...env },
    cwd,
  });
  const url = String((await server.logged("listening")).url);
  return { ...server, url, port: Number(new URL(url).port) };
}

/** Starts a worker for the server at `url`, with the handlers of the system tests unless `env` names others. */
export function startWorker(url: string, env: Record<string, string> = {}): LoggingProcess {
  const defaults = { SERVER_ADDRESS: url, HANDLERS: `${root}test/support/handlers.ts` };
  return startLogging([process.execPath, workerMain], { env: { ...defaults, ...env }, cwd: root });
}
