// This project's server over a store that accepts everything at once and keeps nothing: what a call costs apart from
// storage. Counts, claims and all else go to an empty store in memory.
import { createServer } from "@event-ingestion/server";
import type { JobStore } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { sayListening } from "./listening.ts";
import { noopAnswer } from "./noop-answer.ts";

const { jobId } = noopAnswer();
const append: JobStore["append"] = async (events) => events.map(() => ({ outcome: "ACCEPTED", jobId }));
const empty = await openSqliteStore("sqlite::memory:");
const store: JobStore = Object.assign(Object.create(empty), { append });

const { port } = await createServer({ store, port: 0 }).listen();
sayListening(port);
