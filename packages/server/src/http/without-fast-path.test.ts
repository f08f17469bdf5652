import { describe } from "vitest";
import { setFastPath } from "./testing/test-server.ts";

// What holds for the fast path has to hold for connect, which serves all other calls.
setFastPath(false);

describe("without the fast path", async () => {
  await import("./listener/authority.test.ts");
  await import("./connect/byte-budget.test.ts");
  await import("./cut-request.test.ts");
  await import("./early-end.test.ts");
  await import("./inspect/inspect.test.ts");
  await import("./inspect/json-text.test.ts");
  await import("./fast/fast-unary.test.ts");
  await import("./fuzz.test.ts");
  await import("./listener/http2-sessions.test.ts");
  await import("./listener/listener.test.ts");
  await import("./large-answer.test.ts");
  await import("./messages.test.ts");
  await import("./connect/receive-deadline.test.ts");
  await import("./rpc-handler.test.ts");
  await import("./listener/stall-guard.test.ts");
  await import("./unread-request.test.ts");
});
