import { Code, ConnectError } from "@connectrpc/connect";
import { exitCodes, Failure } from "./failure.ts";
import { plain } from "./output.ts";

/** Turns whatever a command threw into a line, a hint and an exit code. `address` is the server as the user named it. */
export function explain(error: unknown, address: string): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ConnectError) return explainCall(error, address);
  if (error instanceof Error && "syscall" in error) {
    return new Failure(error.message, {
      exitCode: exitCodes.usage,
      hint: "check the file, its folder and their permissions",
    });
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const where = stack
    ?.split("\n")
    .find((line) => line.startsWith("    at "))
    ?.trim();
  return new Failure(`unexpected: ${message}`, {
    exitCode: exitCodes.unexpected,
    hint: `this is a fault of the command, not yours (${where ?? "no place known"})`,
  });
}

const { unexpected, usage, unavailable } = exitCodes;
const wrongProtocol =
  "name the server with --server, or another protocol with --protocol grpc|connect|grpc-web";
const noCredential = "put a credential into EVENT_TOKEN, or into a file named by EVENT_TOKEN_FILE";
const repeat = "the same command may be repeated; what is stored is not stored twice";

function explainCall(error: ConnectError, address: string): Failure {
  const { code } = error;
  const said = plain(error.rawMessage);
  switch (code) {
    case Code.Unavailable:
      return explainUnavailable(error, address);
    case Code.DeadlineExceeded:
      return failure(unavailable, `${address}: ${said}`, "give it more time with --timeout 2m");
    case Code.Aborted:
    case Code.Canceled:
      return failure(unavailable, `${address} closed the connection: ${said}`, repeat);
    case Code.ResourceExhausted:
      return failure(unavailable, `${address} refused: ${said}`, "send less at once, or later");
    case Code.InvalidArgument:
      return failure(usage, said, "see event ingest --help");
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return failure(usage, `${address} refused: ${said}`, noCredential);
    case Code.Unimplemented:
      return failure(unexpected, `${address} does not know this call: ${said}`, wrongProtocol);
    default:
      // A server that speaks another protocol shows in many ways.
      return failure(unexpected, `${address} did not answer as expected: ${said}`, wrongProtocol);
  }
}

function explainUnavailable({ cause, rawMessage }: ConnectError, address: string): Failure {
  switch (cause instanceof Error && "code" in cause ? cause.code : undefined) {
    case "ECONNREFUSED":
      return failure(
        unavailable,
        `nothing listens on ${address}`,
        "start a server with `pnpm dev`, or name another one with --server",
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failure(
        unavailable,
        `the host of ${address} is unknown`,
        "name the server with --server host:port",
      );
    default:
      return failure(unavailable, `${address} is unavailable: ${plain(rawMessage)}`, repeat);
  }
}

function failure(exitCode: number, message: string, hint: string): Failure {
  return new Failure(message, { exitCode, hint });
}
