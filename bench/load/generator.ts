// The process of the load generator: one for the whole run, so that it is warm for whatever is measured.
import { answers } from "../process/probe.ts";
import { runLoad } from "./run-load.ts";

answers("load", runLoad);
