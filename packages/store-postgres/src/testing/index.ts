export { findPostgres, packagedMajor } from "./installation.ts";
export {
  execute,
  type PostgresServer,
  type PostgresServerOptions,
  startPostgres,
} from "./postgres-server.ts";
