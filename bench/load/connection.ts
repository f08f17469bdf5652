import type { Envelope } from "./requests.ts";

/** One way to make unary calls. */
export interface Connection {
  envelope: Envelope;
  /** Sends a request that `envelope` made; resolves with the message of the answer. Rejects unless the call was OK. */
  call: (request: Buffer) => Promise<Buffer>;
  close: () => void;
}

/** Where a connection goes, and how many calls it must carry at once. */
export interface Target {
  url: string;
  /** For example event.EventService/IngestEvent. */
  method: string;
  inFlight: number;
}
