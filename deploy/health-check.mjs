// Whether the program of a container is ready, for the HEALTHCHECK of the image: exit code 0 or 1. A program that listens
// on nothing, as the client or a worker without HEALTH_PORT, is healthy as long as it runs.
import { readFileSync } from "node:fs";
import { get } from "node:http";

const { PORT, HEALTH_PORT, HOST } = process.env;

// The first process of a container is its program, or an init that has the program among its arguments.
const [commandLine = "/proc/1/cmdline"] = process.argv.slice(2);
const words = readFileSync(commandLine, "utf8").split(/[\0\s]+/);

/** "0": none that is known. An empty variable counts as not set. */
function portOfProgram() {
  if (words.some((word) => /(^|\/)(event-worker|worker\/main\.js)$/.test(word))) return HEALTH_PORT || "0";
  if (words.some((word) => /(^|\/)(event|client\/main\.js)$/.test(word))) return "0";
  return PORT || "50051";
}

function hostOfProgram() {
  return !HOST || HOST === "0.0.0.0" || HOST === "::" ? "127.0.0.1" : HOST;
}

const port = portOfProgram();
if (port !== "0") {
  process.exitCode = 1;
  // Not fetch, which refuses some ports.
  get({ host: hostOfProgram(), port, path: "/readyz" }, (answer) => {
    process.exit(answer.statusCode === 200 ? 0 : 1);
  }).on("error", () => undefined);
}
