import { expect, test } from "vitest";
import { parseHosts } from "./hosts.ts";

test("every host of the URL becomes a URL of its own, named without credentials", () => {
  const hosts = parseHosts("postgres://me:p%40ss@a:1,b,[::1]:3/events?sslmode=verify-full");
  expect(hosts).toEqual([
    { name: "Postgres at a:1/events", url: "postgres://me:p%40ss@a:1/events?sslmode=verify-full" },
    { name: "Postgres at b/events", url: "postgres://me:p%40ss@b/events?sslmode=verify-full" },
    { name: "Postgres at [::1]:3/events", url: "postgres://me:p%40ss@[::1]:3/events?sslmode=verify-full" },
  ]);
  expect(parseHosts("postgresql:///events")).toEqual([
    { name: "Postgres at localhost/events", url: "postgresql:///events" },
  ]);
});

test("what is no such URL is refused without being quoted", () => {
  for (const url of ["mysql://me:secret@a/b", "postgres:/secret", "postgres://me:secret@a:port/b", ""]) {
    expect(() => parseHosts(url)).toThrow(/^(?!.*secret).*postgres:\/\/USER:PASSWORD@HOST:PORT\/DATABASE/);
  }
});
