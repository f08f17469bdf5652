import { relative } from "node:path";
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

/** A test, or a suite of which nothing was run. */
interface NotRun {
  name: string;
  tests: number;
  reason: string;
}

/** The last words of a run: which tests were not run, and why. */
export function notRunReporter(print: (line: string) => void = console.log): Reporter {
  let vitest: Vitest | undefined;
  return {
    onInit: (started) => void (vitest = started),
    onTestRunEnd(modules) {
      const isWanted = wanted(vitest?.config.testNamePattern);
      const all = modules.flatMap((module) => listOf(module, isWanted));
      if (all.length > 0) print("");
      for (const { name, tests, reason } of all) {
        print(`not run: ${name}${tests > 1 ? ` (${tests} tests)` : ""}: ${reason}`);
      }
    },
  };
}

/** Tests that -t left out were not asked for. */
function wanted(pattern: RegExp | undefined): (test: TestCase) => boolean {
  return (test) => pattern === undefined || pattern.test(test.fullName.replaceAll(" > ", " "));
}

function listOf(module: TestModule, isWanted: (test: TestCase) => boolean): NotRun[] {
  const file = relative(process.cwd(), module.moduleId);
  const visit = (node: TestSuite | TestCase): NotRun[] => {
    const name = `${file} > ${node.fullName}`;
    if (node.type === "test") {
      return isLeftOut(node) && isWanted(node) ? [{ name, tests: 1, reason: reasonOf(node) }] : [];
    }
    const tests = Array.from(node.children.allTests());
    const reasons = new Set(tests.map(reasonOf));
    const [reason = ""] = reasons;
    if (tests.length > 1 && reasons.size === 1 && tests.every(isLeftOut) && tests.every(isWanted)) {
      return [{ name, tests: tests.length, reason }];
    }
    return Array.from(node.children).flatMap(visit);
  };
  return Array.from(module.children).flatMap(visit);
}

function isLeftOut(test: TestCase): boolean {
  return test.result().state === "skipped";
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  const note = result.state === "skipped" ? result.note : undefined;
  return test.meta().notRun ?? note ?? "no reason was given";
}
