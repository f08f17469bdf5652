import { fromBinary } from "@bufbuild/protobuf";
import { IngestBatchResponseSchema } from "@event-ingestion/api";
import { closedLoop, type LoopOptions, type LoopResult } from "../closed-loop.ts";
import { countAccepted, isAccepted, statusOf } from "./answers.ts";
import { connectHttp1 } from "./connect-http1.ts";
import { connectGrpc } from "./grpc.ts";
import { batchRequests, type Envelope, eventRequests, type Requests, statusRequests } from "./requests.ts";

/** Calls to make to a server. */
export interface Load extends Pick<LoopOptions, "inFlight" | "until"> {
  url: string;
  protocol: "grpc" | "connect-http1";
  calls:
    | { rpc: "IngestEvent" }
    | { rpc: "IngestBatch"; size: number; keepJobIds?: boolean }
    | { rpc: "GetStatus"; jobIds: readonly string[] };
}

/** Counts events accepted, or statuses read. Every call was OK and every answer the expected one, else there is no result. */
export interface LoadResult extends LoopResult {
  /** With `keepJobIds`: of all events. */
  jobIds: string[];
}

const connects = { grpc: connectGrpc, "connect-http1": connectHttp1 };

/** Makes the calls from this process. */
export async function runLoad({ url, protocol, calls, inFlight, until }: Load): Promise<LoadResult> {
  const connection = connects[protocol]({ url, method: `event.EventService/${calls.rpc}`, inFlight });
  const perCall = calls.rpc === "IngestBatch" ? calls.size : 1;
  const jobIds: string[] = [];
  const countGood = counts(calls, jobIds);
  try {
    const result = await closedLoop(
      { inFlight, perCall, until },
      requests(calls, connection.envelope),
      async (request) => {
        const good = countGood(await connection.call(request));
        if (good !== perCall) throw new Error(`${good} of ${perCall} in an answer were as expected`);
        return good;
      },
    );
    return { ...result, jobIds };
  } finally {
    connection.close();
  }
}

function requests(calls: Load["calls"], envelope: Envelope): Requests {
  switch (calls.rpc) {
    case "IngestEvent":
      return eventRequests(envelope);
    case "IngestBatch":
      return batchRequests(calls.size, envelope);
    case "GetStatus":
      return statusRequests(calls.jobIds, envelope);
  }
}

/** How many events or statuses of an answer are the expected ones. */
function counts(calls: Load["calls"], jobIds: string[]): (answer: Buffer) => number {
  switch (calls.rpc) {
    case "IngestEvent":
      return (answer) => Number(isAccepted(answer));
    case "IngestBatch":
      return (answer) => {
        if (calls.keepJobIds) {
          jobIds.push(...fromBinary(IngestBatchResponseSchema, answer).results.map(({ jobId }) => jobId));
        }
        return countAccepted(answer);
      };
    case "GetStatus":
      return (answer) => Number(["processing", "done"].includes(statusOf(answer)));
  }
}
