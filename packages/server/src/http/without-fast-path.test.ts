import { describe } from "vitest";
import { setFastPath } from "./testing/test-server.ts";

// What holds for the fast path has to hold for connect, which serves all other calls.
setFastPath(false);

describe("without the fast path", async () => {
  await import("./authority.test.ts");
  await import("./byte-budget.test.ts");
  await import("./cut-request.test.ts");
  await import("./element-limits.test.ts");
  await import("./fast/fast-unary.test.ts");
  await import("./fuzz.test.ts");
  await import("./http2-sessions.test.ts");
  await import("./listener.test.ts");
  await import("./messages.test.ts");
  await import("./receive-deadline.test.ts");
  await import("./safe-adapter.test.ts");
  await import("./stall-guard.test.ts");
  await import("./unread-request.test.ts");
});
