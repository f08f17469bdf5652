import { describe } from "vitest";
import { setFastPath } from "./testing/start-server.ts";

// The handlers answer the same, whoever calls them.
setFastPath(false);

describe("without the fast path", async () => {
  await import("./events/busy-store.test.ts");
  await import("./events/event-routes.test.ts");
  await import("./admission/overload.test.ts");
  await import("./workers/claims.test.ts");
  await import("./request-limits.test.ts");
  await import("./server.test.ts");
});
