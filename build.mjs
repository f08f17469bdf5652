// Bundles an app, one file for each entry; called in the app's folder: node ../../build.mjs program=src/main.ts NAME=FILE
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

await build({
  entryPoints: Object.fromEntries(process.argv.slice(2).map((entry) => entry.split("="))),
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  sourcemap: true,
  legalComments: "linked",
  logLevel: "warning",
  // Bundled CommonJS packages call require, which an ES module does not have.
  banner: {
    js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
  },
});

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const { engines } = readJson(new URL("package.json", import.meta.url));
for (const [name, path] of Object.entries(readJson("package.json").bin ?? {})) {
  writeFileSync(path, entryOf(name, engines.node));
}

/**
 * The file that users start. It can be read by any Node, so it can tell one that is too old what is wrong; that one could not
 * even parse the program.
 */
function entryOf(name, wanted) {
  const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(wanted);
  return `#!/usr/bin/env node
const [major, minor] = process.versions.node.split(".").map(Number);
if (major > ${major} || (major === ${major} && minor >= ${minor})) {
  await import("./program.js");
} else {
  console.error("${name}: Node ${major}.${minor} or newer is needed, this is " + process.versions.node);
  process.exitCode = 1;
}
`;
}
