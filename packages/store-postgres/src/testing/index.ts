export { packagedMajor, postgresOf, reachableTemp } from "./installation.ts";
export {
  execute,
  type PostgresServer,
  type PostgresServerOptions,
  startPostgres,
} from "./postgres-server.ts";
