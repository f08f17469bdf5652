export { type SqliteEvent, type SqliteOptions, openSqliteStore } from "./sqlite-store.ts";
export { findSqliteUrlProblem } from "./store-path.ts";
