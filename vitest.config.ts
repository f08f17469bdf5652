import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: process.env.CI ? ["default", ["json", { outputFile: "test-report.json" }]] : ["default"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{packages,apps}/*/src/**/*.test.ts"],
          exclude: ["packages/store-postgres/**"],
          testTimeout: 20_000,
          benchmark: { include: [] },
        },
      },
      {
        extends: true,
        test: {
          name: "postgres",
          include: ["packages/store-postgres/src/**/*.test.ts"],
          globalSetup: ["packages/store-postgres/src/testing/global-setup.ts"],
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
          benchmark: { include: [] },
          testTimeout: 60_000,
          fileParallelism: false,
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
