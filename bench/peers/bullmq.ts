import { Redis } from "ioredis";
import { Queue as BullQueue, Worker } from "bullmq";
import type { Job, Queue } from "./queue.ts";

const name = "event";
/** So many commands share a sync of the append-only file. */
const concurrency = 100;

export default async function openQueue(url: string): Promise<Queue> {
  // Workers insist on this: a command waits for the connection instead of failing.
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new BullQueue<Job>(name, { connection });
  return {
    add: (job) => queue.add(name, job),
    addMany: (jobs) => queue.addBulk(jobs.map((data) => ({ name, data }))),
    work: (handle) => {
      const worker = new Worker<Job>(name, async ({ data }) => handle(data), {
        connection,
        concurrency,
      });
      return worker.waitUntilReady();
    },
    idle: async () => {
      const counts = await queue.getJobCounts("wait", "active", "prioritized", "delayed", "failed");
      return Object.values(counts).every((count) => count === 0);
    },
  };
}
