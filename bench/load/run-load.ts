import { fromBinary } from "@bufbuild/protobuf";
import { IngestBatchResponseSchema } from "@event-ingestion/api";
import { countAccepted, isAccepted, statusOf } from "./answers.ts";
import { connectHttp1 } from "./connect-http1.ts";
import { Refused } from "./connection.ts";
import { connectHttp2, connectHttp2Stream } from "./http2-call.ts";
import { connectHttp2Unary } from "./http2-unary.ts";
import { callInLoop, type LoopOptions, type LoopResult } from "./loop.ts";
import {
  batchRequests,
  type Envelope,
  eventRequests,
  type Requests,
  statusRequests,
  timedRequests,
} from "./requests.ts";
import { type SharedConnections, spread } from "./spread.ts";

/** Calls to make to a server. */
export interface Load extends Pick<LoopOptions, "inFlight" | "perSecond" | "until"> {
  url: string;
  protocol: "grpc" | "connect-http1";
  calls:
    | { rpc: "IngestEvent"; eventIds?: "time" }
    | { rpc: "IngestBatch" | "IngestStream"; size: number; keepJobIds?: boolean }
    | { rpc: "GetStatus"; jobIds: readonly string[] };
  /** Count answers of UNAVAILABLE to batches instead of failing. */
  mayRefuse?: boolean;
}

/** Counts events accepted, or statuses read. Every other answer was as expected, else there is no result. */
export interface LoadResult extends LoopResult {
  /** With `keepJobIds`: of all events. */
  jobIds: string[];
}

/** Servers commonly take 100 streams a connection. */
const streamsPerConnection = 64;
/** Sent before the first answer is waited for. */
const batchesPerStream = 4;

/** Makes the calls from this process. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const { calls, mayRefuse = false } = load;
  const connection = connect(load);
  const perCall = "size" in calls ? calls.size : 1;
  const jobIds: string[] = [];
  const countGood = counts(calls, jobIds);
  const callOnce = async (request: Buffer, caller: number) => {
    try {
      const good = countGood(await connection.call(request, caller));
      if (good !== perCall) throw new Error(`${good} of ${perCall} in an answer were as expected`);
      return good;
    } catch (error) {
      if (mayRefuse && error instanceof Refused) return 0;
      throw error;
    }
  };
  try {
    const next = requests(calls, connection.envelope);
    const result = await callInLoop({ ...load, perCall }, next, callOnce);
    return { ...result, jobIds };
  } finally {
    connection.close();
  }
}

function connect({ url, protocol, calls, inFlight }: Load): SharedConnections {
  const target = { url, method: `event.EventService/${calls.rpc}` };
  if (protocol === "connect-http1") return spread(inFlight, 1, () => connectHttp1(target));
  if (calls.rpc === "IngestStream")
    return spread(inFlight, batchesPerStream, () => connectHttp2Stream(target));
  const open = calls.rpc === "IngestBatch" ? connectHttp2 : connectHttp2Unary;
  return spread(inFlight, streamsPerConnection, () => open(target));
}

function requests(calls: Load["calls"], envelope: Envelope): Requests {
  switch (calls.rpc) {
    case "IngestEvent":
      return calls.eventIds === "time" ? timedRequests(envelope) : eventRequests(envelope);
    case "IngestBatch":
    case "IngestStream":
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
    case "IngestStream":
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
