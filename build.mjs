// Bundles an app, one file for each entry; called in the app's folder: node ../../build.mjs main=src/main.ts NAME=FILE
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
