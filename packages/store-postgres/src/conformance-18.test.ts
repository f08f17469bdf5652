import { conformanceOn } from "./testing/conformance-on.ts";

conformanceOn(18);
