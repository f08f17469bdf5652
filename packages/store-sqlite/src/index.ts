export { type SqliteEvent, type SqliteOptions, openSqliteStore } from "./sqlite-store.ts";
