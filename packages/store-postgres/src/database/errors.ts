import { StoreError, type StoreErrorReason, unavailable } from "@event-ingestion/store";
import { DatabaseError } from "pg";

/** The SQLSTATE that the server gave, also of the cause of a StoreError. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof StoreError) return sqlState(error.cause);
  return error instanceof DatabaseError ? error.code : undefined;
}

/** `where` names the server and the database, without credentials. What the server says is kept as the cause: it may quote data. */
export function toStoreError(
  error: unknown,
  { outcome, where }: { outcome: StoreError["outcome"]; where: string },
): StoreError {
  if (error instanceof StoreError) return error;
  const cause = { cause: error };
  const code = sqlState(error);
  if (code === undefined) {
    const message = systemMessage(error);
    const told = [`${where} cannot be reached`, message, tlsAdvice(message)].filter(Boolean).join(": ");
    return new StoreError(outcome, "unavailable", told, cause);
  }
  const [reason, message, advice] = meaningOf(code, error);
  const todo = advice === undefined ? "" : `: ${advice}`;
  return new StoreError(outcome, reason, `${where} ${message} (SQLSTATE ${code})${todo}`, cause);
}

const moreConnections =
  "raise max_connections or the limit of the role or database, or let each program open fewer (STORE_CONNECTIONS)";

/**
 * For what the driver throws before it connects: a file of the URL that it cannot read, now or, if connections were made
 * before, any more; or a parameter that it does not take.
 */
export function refusedByDriver(error: unknown, where: string): StoreError {
  const cause = { cause: error };
  if (error instanceof Error && "path" in error && "code" in error) {
    const files = "sslrootcert, sslcert and sslkey of the store URL name files";
    return unavailable(
      `no connection to ${where}: ${String(error.path)} cannot be read (${String(error.code)}); ${files}`,
      cause,
    );
  }
  const why = error instanceof Error ? error.message : String(error);
  return new StoreError(
    "notApplied",
    "invalid",
    `no connection to ${where}: the store URL is refused: ${why}`,
    cause,
  );
}

/** Node's codes for a certificate that it does not trust, and what they mean for the author of the URL. */
function tlsAdvice(code: string): string | undefined {
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return "the certificate of the server has other names than the host of the store URL";
  if (!/^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER))/.test(code))
    return undefined;
  return "no trusted CA has signed the certificate of the server: name the certificate of its CA with sslrootcert=FILE";
}

const rules =
  "pg_hba.conf decides by user, database, address and TLS, which the store URL asks for with sslmode=verify-full";

const pooling =
  "let PgBouncer use session mode, or a version from 1.21 with max_prepared_statements above 0, or connect to Postgres itself";

/** The meaning of the code, and what to do if that is not obvious. */
function meaningOf(
  code: string,
  error: unknown,
): [reason: StoreErrorReason, message: string, advice?: string] {
  switch (code) {
    case "28000":
      return error instanceof DatabaseError && error.routine === "ClientAuthentication"
        ? ["invalid", "does not let this user in from here", rules]
        : [
            "invalid",
            "refuses this user: it is unknown, may not log in, or must authenticate in another way",
          ];
    case "28P01":
      return ["invalid", "refuses the user or the password"];
    case "3D000":
      return ["invalid", "does not have that database"];
    case "42501":
      return ["invalid", "does not give the user the necessary rights"];
    case "26000":
    case "42P05":
      return ["incompatible", "is behind a pooler that mixes up prepared statements", pooling];
    case "25006":
      return ["unavailable", "is read-only"];
    case "53100":
      return ["unavailable", "has a full disk"];
    case "53300":
      return ["unavailable", "has no connection left for this program", moreConnections];
    case "57014":
      return ["unavailable", "cancelled the call"];
    case "57P01":
    case "57P02":
    case "57P03":
      return ["unavailable", "is starting or shutting down"];
  }
  switch (code.slice(0, 2)) {
    case "40":
      return ["unavailable", "is too busy with calls that wait for each other"];
    case "3F":
    case "42":
      return ["incompatible", "does not have the tables that this version expects"];
    case "XX":
      return ["corrupt", "is damaged"];
    default:
      return ["unavailable", "failed"];
  }
}

/** Errors after which the server has undone the statement, if it goes on: the same codes can announce its end. */
export function isRollback(error: unknown): boolean {
  const code = sqlState(error);
  return code !== undefined && (/^(0A|22|23|25|26|28|3D|3F|40|42|53|54|55)/.test(code) || code === "57014");
}

/** Errors of this connection only: its prepared statements are gone, or its primary became a standby. */
export function isStale(error: unknown): boolean {
  return isMixedUp(error) || sqlState(error) === "25006";
}

/** The session's prepared statements are not those that this connection prepared: a pooler shares the session. */
function isMixedUp(error: unknown): boolean {
  return /^(26|42P05$)/.test(sqlState(error) ?? "");
}

/** Worth another try with the same input: a deadlock, or a conflict between transactions. */
export function isConflict(error: unknown): boolean {
  return sqlState(error)?.startsWith("40") === true;
}

/** Nothing can be written until there is space. */
export function isFull(error: unknown): boolean {
  return sqlState(error) === "53100";
}

/** The server has no room for another connection; existing connections work. */
export function isCrowded(error: unknown): boolean {
  return sqlState(error) === "53300";
}

/** Nothing was applied; the stored data contradict each other. */
export function damaged(message: string): StoreError {
  return new StoreError("notApplied", "corrupt", `${message}: restore a backup`);
}

/** Nothing was applied, and nothing can be applied until somebody changes the database or its settings. */
export function incompatible(message: string): StoreError {
  return new StoreError("notApplied", "incompatible", message);
}

function systemMessage(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
}
