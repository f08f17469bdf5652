// Loaded before a program with --import: breaks the database below our code, in every thread, as MUTANT says.
import { DatabaseSync, type StatementSync } from "node:sqlite";

/** The methods as they were. */
const intact: DatabaseSync = Object.create(null, Object.getOwnPropertyDescriptors(DatabaseSync.prototype));
const mutant = process.env.MUTANT ?? "";

DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string): StatementSync {
  // Behind the back of the check that the pragma was set.
  if (!sql.startsWith("PRAGMA") && !this.isTransaction) {
    intact.prepare.call(this, `PRAGMA ${mutant}`).get();
  }
  return intact.prepare.call(this, sql);
};
