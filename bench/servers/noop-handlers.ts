import { defineHandler } from "@event-ingestion/worker";

export default [defineHandler("*", async () => undefined)];
