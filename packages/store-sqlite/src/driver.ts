import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/** The connection. Synchronous: it lives in a thread of its own. The only file that knows node:sqlite, whose names may change. */
export type Database = DatabaseSync;

type Value = SQLInputValue;

/** A prepared statement that reads rows of one shape. */
export interface Query<Row> {
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): Row[];
  iterate(...values: Value[]): IterableIterator<Row>;
}

/** Opens or creates the file, or a database in memory. Never waits for a lock. */
export function openDatabase(path: string): Database {
  return new DatabaseSync(path, { timeout: 0, defensive: true });
}

/** The shape of a row is what its SQL says, which no type can follow: the one place where it is claimed. */
export function query<Row>(db: Database, sql: string): Query<Row> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return db.prepare(sql) as unknown as Query<Row>;
}

/** Reads or sets a pragma that answers with one value. */
export function pragma(db: Database, text: string): unknown {
  const row = query<Record<string, unknown>>(db, `PRAGMA ${text}`).get();
  return row && Object.values(row)[0];
}

/** SQLite's extended result code, or undefined if the error came from elsewhere. */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}
