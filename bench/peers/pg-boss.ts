// Set up for throughput: workers that take full batches, go on while batches are full, and are woken by NOTIFY.
import { PgBoss } from "pg-boss";
import type { Job, Queue } from "./queue.ts";

const name = "event";
const options = {
  batchSize: 1000,
  localConcurrency: 2,
  burstWhenBatchFull: true,
  pollingIntervalSeconds: 0.5,
};

export default async function openQueue(connectionString: string): Promise<Queue> {
  const boss = new PgBoss({ connectionString, max: 25, useListenNotify: true });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  await boss.createQueue(name, { notify: true });
  return {
    add: (job) => boss.send(name, job),
    addMany: (jobs) =>
      boss.insert(
        name,
        jobs.map((data) => ({ data })),
      ),
    work: (handle) => boss.work<Job>(name, options, async (jobs) => jobs.forEach(({ data }) => handle(data))),
    idle: async () => {
      const { rows } = await boss
        .getDb()
        .executeSql("SELECT 1 FROM pgboss.job WHERE state < 'completed' LIMIT 1");
      return rows.length === 0;
    },
  };
}
