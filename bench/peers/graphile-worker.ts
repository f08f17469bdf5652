// Set up as its page on performance says: https://worker.graphile.org/docs/performance
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import type { Job, Queue } from "./queue.ts";

const worker = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};
const task = "event";
const logger = new Logger(() => () => undefined);

export default async function openQueue(connectionString: string): Promise<Queue> {
  const preset = { worker: { ...worker, connectionString } };
  const utils = await makeWorkerUtils({ preset, logger });
  await utils.migrate();
  return {
    add: (job) => utils.addJob(task, job),
    addMany: (jobs) => utils.addJobs(jobs.map((payload) => ({ identifier: task, payload }))),
    work: (handle) =>
      run({
        preset,
        logger,
        noHandleSignals: true,
        taskList: { [task]: async (payload) => handle(payload as Job) },
      }),
    idle: async () => {
      const { rows } = await utils.withPgClient((client) =>
        client.query("SELECT 1 FROM graphile_worker._private_jobs LIMIT 1"),
      );
      return rows.length === 0;
    },
  };
}
