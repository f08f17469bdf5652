import { ConnectError } from "@connectrpc/connect";
import type { Batch } from "./batch-stream.ts";
import type { EventServiceClient } from "./call.ts";
import { isTransient } from "./retry.ts";

/** Whether IngestStream can be called. */
export interface StreamSupport {
  /** Finds it out if it is not known; false also while it cannot be found out. */
  available(): Promise<boolean>;
}

/** How long the answer to one empty batch may take, in ms. */
const probeMs = 5000;

/**
 * Only trying tells: transports do not say whether they speak HTTP/2, servers and proxies may be older. So an empty
 * batch is sent on a stream of its own that stays open until the answer is there, since a proxy may hold a request back
 * until it is complete. What is found out holds for the life of the client, except when the server could not be asked.
 */
export function createStreamSupport(service: EventServiceClient): StreamSupport {
  let known: boolean | undefined;
  let asking: Promise<boolean | undefined> | undefined;
  return {
    async available() {
      if (known !== undefined) return known;
      asking ??= probe(service);
      known = await asking;
      asking = undefined;
      return known ?? false;
    },
  };
}

/** undefined: the server could not be asked. */
async function probe(service: EventServiceClient): Promise<boolean | undefined> {
  const answered = Promise.withResolvers<void>();
  async function* emptyBatch(): AsyncGenerator<Batch, void> {
    yield { events: [] };
    await answered.promise;
  }
  let answers = 0;
  try {
    for await (const { results } of service.ingestStream(emptyBatch(), { timeoutMs: probeMs })) {
      if (results.length === 0) answers++;
      answered.resolve();
    }
    return answers === 1;
  } catch (error) {
    return isTransient(ConnectError.from(error)) ? undefined : false;
  } finally {
    answered.resolve();
  }
}
