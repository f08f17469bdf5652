import type { Connection, Target } from "./connection.ts";
import { missingBytes, openCall, openSession, prefixed, splitMessages, statusOf } from "./http2-session.ts";

/** Unary gRPC calls over one connection, for messages of any size. */
export function connectHttp2(target: Target): Connection {
  const session = openSession(target.url);
  return {
    envelope: prefixed,
    async call(request) {
      const stream = openCall(session, target);
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.end(request);
      await statusOf(stream, target);
      const [message] = splitMessages(Buffer.concat(chunks)).messages;
      if (message === undefined) throw new Error(`${target.method}: no message in the answer`);
      return message;
    },
    close: () => session.destroy(),
  };
}

/** One call of a streaming rpc that answers every message with one, in order: each of these is a "call" here. */
export function connectHttp2Stream(target: Target): Connection {
  const session = openSession(target.url);
  const stream = openCall(session, target);
  const waiting: PromiseWithResolvers<Buffer>[] = [];
  let received: Buffer[] = [];
  let missing = 0;
  stream.on("data", (chunk: Buffer) => {
    // Joined only when a message may be complete: an answer comes in many small pieces.
    received.push(chunk);
    missing -= chunk.byteLength;
    if (missing > 0) return;
    const { messages, rest } = splitMessages(Buffer.concat(received));
    received = [rest];
    missing = missingBytes(rest);
    for (const message of messages) waiting.shift()?.resolve(message);
  });
  const end = (reason: Error) => {
    for (const { reject } of waiting.splice(0)) reject(reason);
  };
  statusOf(stream, target).then(() => end(new Error(`${target.method}: the server ended the stream`)), end);
  return {
    envelope: prefixed,
    call(request) {
      const answer = Promise.withResolvers<Buffer>();
      waiting.push(answer);
      stream.write(request, (error) => error && answer.reject(error));
      return answer.promise;
    },
    close: () => session.destroy(),
  };
}
