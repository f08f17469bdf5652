import { defineConfig } from "vitest/config";
import { notRunReporter } from "../not-run.ts";

// A run of which not all can be run, for not-run.test.ts.
export default defineConfig({ test: { include: ["*.spec.ts"], reporters: ["dot", notRunReporter()] } });
