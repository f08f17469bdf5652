export { type PostgresOptions, openPostgresStore } from "./postgres-store.ts";
