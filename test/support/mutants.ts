// Loaded before a program with --import: breaks the database below our code, in every thread, as MUTANT says.
import { DatabaseSync, type StatementSync } from "node:sqlite";

// oxlint-disable-next-line typescript/unbound-method -- it is always called with its object
const { prepare } = DatabaseSync.prototype;
const mutant = process.env.MUTANT ?? "";

DatabaseSync.prototype.prepare = function (this: DatabaseSync, sql: string): StatementSync {
  // Behind the back of the check that the pragma was set.
  if (!sql.startsWith("PRAGMA") && !this.isTransaction) {
    prepare.call(this, `PRAGMA ${mutant}`).get();
  }
  return prepare.call(this, sql);
};
