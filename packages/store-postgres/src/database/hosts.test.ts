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

test("what may be a part of a password is neither shown nor taken for a host, and the reason says how to write it", () => {
  for (const url of [
    "postgres://app:12/secret@127.0.0.1:1/ev",
    "postgres://app:12#secret@127.0.0.1:1/ev",
    "postgres://app:12?secret@127.0.0.1:1/ev",
    "postgres://app:se@il/secret@127.0.0.1:1/ev",
    "postgres://app:12/secret@a:1,b:2/ev?sslmode=no-verify",
    "postgres://a/ev?password=1#secret",
  ]) {
    expect(() => parseHosts(url)).toThrow(
      /^(?!.*(secret|12|il)).* an @ or a # behind HOST:PORT: encode .*%40 for @/,
    );
  }
  for (const url of ["postgres://u:secret@h/bad%name", "postgres://u:secret%@h/x", "postgres://u:p@h/%ff"]) {
    expect(() => parseHosts(url)).toThrow(/^(?!.*secret).* a % that begins no character: .*%25 for %$/);
  }
});

const modeOf = (query: string) => new URL(parseHosts(`postgres://h/x?${query}`)[0]?.url ?? "").search;

test("TLS that is asked for is proven, whatever the word, unless the URL says no-verify or wants what libpq does", () => {
  for (const mode of ["prefer", "require", "verify-ca", "verify-full"]) {
    expect(modeOf(`sslmode=${mode}`)).toBe("?sslmode=verify-full");
  }
  for (const query of ["sslmode=no-verify", "sslmode=disable", "uselibpqcompat=true&sslmode=require"]) {
    expect(modeOf(query)).toBe(`?${query}`);
  }
});
