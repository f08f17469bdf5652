// Generates TypeScript from .proto files that npm packages ship, called in the package's folder:
//   node ../../generate.mjs OUT CANONICAL.proto=FILE_BELOW_NODE_MODULES...
// The path a file is generated under is part of its descriptor, which reflection shows to clients, so the files
// are first laid out under their canonical names.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const [out, ...files] = process.argv.slice(2);
rmSync(".proto", { recursive: true, force: true });
for (const [canonical, source] of files.map((file) => file.split("="))) {
  mkdirSync(join(".proto", dirname(canonical)), { recursive: true });
  cpSync(join("node_modules", source), join(".proto", canonical));
}
const opt = ["target=ts", "import_extension=ts", "erasable_syntax=true", "elide_plugin_version=true"];
const template = { version: "v2", plugins: [{ local: "protoc-gen-es", out, opt }] };
execFileSync("buf", ["generate", ".proto", "--template", JSON.stringify(template)], { stdio: "inherit" });
rmSync(".proto", { recursive: true });
