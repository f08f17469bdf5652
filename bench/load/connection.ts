import type { Envelope } from "./requests.ts";

/** One way to make unary calls. */
export interface Connection {
  envelope: Envelope;
  /**
   * Sends a request that `envelope` made, once; resolves with the message of the answer.
   *
   * @throws Refused if the answer is UNAVAILABLE, Error if the call was not OK for another reason.
   */
  call: (request: Buffer) => Promise<Buffer>;
  close: () => void;
}

/** The server has too much to do. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** Where a connection goes, and for what. */
export interface Target {
  url: string;
  /** For example event.EventService/IngestEvent. */
  method: string;
}
