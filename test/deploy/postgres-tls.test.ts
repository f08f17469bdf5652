import { writeFileSync } from "node:fs";
import { openPostgresStore } from "@event-ingestion/store-postgres";
import { execute, type PostgresServer, startPostgres } from "@event-ingestion/store-postgres/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { selfSigned } from "../../packages/server/src/http/testing/certificate.ts";
import { tempDir } from "../support/temp-dir.ts";

const { key, cert } = selfSigned();

/** Demands TLS, and has a certificate for localhost that nobody vouches for. */
let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres({
    settings: { ssl: "on", listen_addresses: "127.0.0.1,127.0.0.2" },
    files: { "server.key": key, "server.crt": cert },
    access: ["hostnossl all demanding all reject"],
  });
  await execute(postgres.url(), "CREATE ROLE demanding SUPERUSER LOGIN");
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

/** Whether the connection of a store that is opened so is encrypted, or why it is not opened. */
async function open(parameters: string, host = "localhost"): Promise<unknown> {
  const url = (await postgres.createDatabase()).replace("postgres@127.0.0.1", `demanding@${host}`);
  const opening = openPostgresStore(`${url}?${parameters}`);
  const reason = await opening.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : error),
  );
  if (reason !== undefined) return reason;
  const ofStores =
    "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'demanding'";
  const rows = await execute(postgres.url(), ofStores);
  await (await opening).close();
  return rows;
}

test("sslmode says whether there is TLS, and who vouches for the server", async () => {
  using dir = tempDir();
  const ca = `${dir.path}/ca.pem`;
  writeFileSync(ca, cert);
  expect(await open("")).toMatch(
    /does not let this user in from here \(SQLSTATE 28000\): pg_hba\.conf decides/,
  );
  for (const mode of ["require", "verify-ca", "verify-full"]) {
    expect(await open(`sslmode=${mode}`)).toMatch(
      /^Postgres at localhost:\d+\/test_\d+ cannot be reached: DEPTH_ZERO_SELF_SIGNED_CERT: .* sslrootcert=FILE$/,
    );
    expect(await open(`sslmode=${mode}&sslrootcert=${ca}`)).toEqual([{ ssl: true }]);
  }
  expect(await open(`sslmode=verify-full&sslrootcert=${ca}`, "127.0.0.2")).toMatch(
    /cannot be reached: ERR_TLS_CERT_ALTNAME_INVALID: the certificate of the server has other names/,
  );
  expect(await open("sslmode=no-verify")).toEqual([{ ssl: true }]);
});

test("a file that holds no certificate is one line", async () => {
  using dir = tempDir();
  writeFileSync(`${dir.path}/ca.pem`, "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n");
  expect(await open(`sslmode=verify-full&sslrootcert=${dir.path}/ca.pem`)).toMatch(
    /^Postgres at .* cannot be reached: .+$/,
  );
});
