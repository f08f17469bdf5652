import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { notRunReporter } from "./test/needs/not-run.ts";

/** Most of the time tests wait for timers and other processes, so two files at once take little more CPU than one. */
const maxWorkers = 2;

const json: ["json", { outputFile: string }] = ["json", { outputFile: "test-report.json" }];

/** Where the processes that tests start find their code compiled, which is half of their CPU. */
const compiled = fileURLToPath(new URL("node_modules/.cache/compiled", import.meta.url));

export default defineConfig({
  test: {
    env: { NODE_COMPILE_CACHE: compiled },
    reporters: ["default", ...(process.env.CI ? [json] : []), notRunReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{packages,apps}/*/src/**/*.test.ts"],
          exclude: ["packages/store-postgres/**"],
          maxWorkers,
          testTimeout: 60_000,
          benchmark: { include: [] },
        },
      },
      {
        extends: true,
        test: {
          name: "postgres",
          include: ["packages/store-postgres/src/**/*.test.ts"],
          globalSetup: ["packages/store-postgres/src/testing/global-setup.ts"],
          maxWorkers,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          benchmark: { include: [] },
        },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          globalSetup: ["test/build.ts"],
          sequence: { groupOrder: 2 },
          benchmark: { include: [] },
          maxWorkers,
          testTimeout: 60_000,
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**", "apps/*/src/**"],
      exclude: ["**/gen/**"],
    },
  },
});
