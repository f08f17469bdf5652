import { expect, test } from "vitest";
import type { Environment } from "./environment.ts";
import { readBaseUrl } from "./server-address.ts";
import { findUrlProblem } from "./store-url.ts";
import { withoutSecrets } from "./without-secrets.ts";

test.each([
  ["--port", "--port"],
  ["nowhere", "nowhere"],
  ["http://host:1/path", "http://host:1/path"],
  ["postgres://me:secret@host/db", "postgres://***@host/db"],
  ["postgres://me:sec@ret/se?c#ret@host/db?sslmode=require", "postgres://***@host/db?***"],
  ["me:secret@host:1", "***@host:1"],
  ["--to=postgres://me:sec\nret@host/db", "***@host/db"],
  ["https://host/?token=secret", "https://host/?***"],
  ["https://host/#secret?", "https://host/#***"],
])("of %j stays %j", (typed, shown) => {
  expect(withoutSecrets(typed)).toBe(shown);
});

function problemsOf(read: (env: Pick<Environment, "wrong">) => void): string[] {
  const problems: string[] = [];
  read({ wrong: (problem) => void problems.push(problem) });
  return problems;
}

test("the address of a server is shown without its credentials", () => {
  for (const address of [
    "http://me:secret@host:1",
    "me:secret@host:1",
    "https://host?token=secret",
    "http://me:12/secret@host:1",
    "http://host/#secret",
  ]) {
    const [problem = ""] = problemsOf((env) => readBaseUrl("SERVER_ADDRESS", address, env));
    expect(problem).toMatch(/^SERVER_ADDRESS must be host:port or an http\(s\) URL, got "/);
    expect(problem).not.toContain("secret");
  }
});

test("of a URL of no known store only a scheme that cannot be a password is shown", () => {
  expect(findUrlProblem("STORE_URL", "mysql://me:secret@host/db")).toBe(
    'STORE_URL must begin with "sqlite:" or "postgres:", got mysql:',
  );
  for (const url of ["secret:word", "secret", "me:secret@host/db"]) {
    expect(findUrlProblem("--to", url)).toBe(
      '--to must begin with "sqlite:" or "postgres:", got something else',
    );
  }
});
