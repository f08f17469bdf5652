import type { StatusResponse } from "@event-ingestion/api";
import type { EventClient } from "@event-ingestion/client";
import { explain } from "../explain.ts";
import { exitCodes } from "../failure.ts";

/** The server to ask, and for how long. */
export interface Waiting {
  client: Pick<EventClient, "waitUntilDone">;
  /** The server as the user named it. */
  address: string;
  /** Undefined: for ever, also while the server is away for longer than one call waits for it. */
  timeoutMs: number | undefined;
  signal: AbortSignal;
}

/** The last status of a job. @throws ConnectError when the time is over, the signal aborts, or an error stands */
export async function waitForJob(
  jobId: string,
  { client, address, timeoutMs, signal }: Waiting,
): Promise<StatusResponse> {
  for (;;) {
    try {
      return await client.waitUntilDone(jobId, { signal, timeoutMs });
    } catch (error) {
      const isAway = explain(error, address).exitCode === exitCodes.unavailable;
      if (timeoutMs !== undefined || signal.aborted || !isAway) throw error;
    }
  }
}
