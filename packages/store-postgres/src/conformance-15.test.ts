import { conformanceOn } from "./testing/conformance-on.ts";

// The same code over the oldest version: a few random runs are enough.
process.env["MODEL_RUNS"] ??= "4";
conformanceOn(15);
