import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

test("what blocks the main thread during a drain is killed all the same", () => {
  const program = `
    import { stopOnSignals } from "${import.meta.resolve("./stopping.ts")}";
    const log = { error: () => undefined };
    const end = { exit: process.exit, kill: () => undefined };
    const { begun } = stopOnSignals(log, end, 1);
    process.kill(process.pid, "SIGTERM");
    setInterval(() => undefined, 1000);
    await begun;
    for (;;);`;
  const options = { timeout: 30_000, killSignal: "SIGQUIT" } as const;
  const { signal } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], options);
  expect(signal).toBe("SIGKILL");
});
