import type { TestProject } from "vitest/node";
import { findPostgres, packagedMajor } from "./installation.ts";
import { type PostgresServer, startPostgres } from "./postgres-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** URLs of servers for the whole run, by their major version. */
    postgres: Record<number, string>;
  }
}

/** One server of each version that the machine has. `TEST_POSTGRES_URL` names one that is used instead of the packaged one. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers: PostgresServer[] = [];
  const urls: Record<number, string> = {};
  for (const major of [packagedMajor, 15]) {
    if ((await findPostgres(major)) === undefined) continue;
    const server = await startPostgres({ major });
    servers.push(server);
    urls[major] = server.url();
  }
  const given = process.env["TEST_POSTGRES_URL"];
  if (given) urls[packagedMajor] = given;
  project.provide("postgres", urls);
  return async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  };
}
