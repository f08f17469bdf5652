// Prints what a report of vitest counts. Fails if a test failed, or none was run.
import { existsSync, readFileSync } from "node:fs";

const [, , file] = process.argv;
const none = { success: false, numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
const report = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : none;
const passed = report.numPassedTests;

// A file that could not be loaded has no test that could have failed.
const unloaded = report.testResults.filter(
  ({ status, assertionResults }) =>
    status === "failed" && assertionResults.every((test) => test.status !== "failed"),
);
for (const { name, message } of unloaded) console.log(`failed to load: ${name}: ${message}`);
const failed = report.numFailedTests + unloaded.length;

// Suites and clients that others wrote, each with its count.
const suites = new Map();
for (const test of report.testResults
  .filter(({ name }) => /\/test\/.*(foreign-clients|python-clients|conformance|h2spec)/.test(name))
  .flatMap(({ assertionResults }) => assertionResults)) {
  const suite = test.ancestorTitles[0] ?? test.title;
  suites.set(suite, [...(suites.get(suite) ?? []), test]);
}
for (const [suite, tests] of suites) {
  const reason = tests.find(({ meta }) => meta?.notRun)?.meta.notRun;
  const count = tests.filter(({ status }) => status === "passed").length;
  console.log(`suite ${suite}: ${reason ? `not run (${reason})` : `${count} of ${tests.length} passed`}`);
}

if (report.numPendingTests > 0) console.log(`${report.numPendingTests} not run, named above`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = report.success && passed + failed > 0 ? 0 : 1;
