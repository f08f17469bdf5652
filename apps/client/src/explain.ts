import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { exitCodes, Failure } from "./failure.ts";
import { plain } from "./output.ts";
import { quoteSafely } from "./quote-safely.ts";

/** Turns whatever a command threw into a line, a hint and an exit code. `address` is the server as the user named it. */
export function explain(error: unknown, address: string): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ConnectError) return explainCall(error, address);
  if (error instanceof Error && "syscall" in error) {
    return new Failure(quoteSafely(error.message), {
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
const tooLarge =
  "a batch may have 4 MiB, the payload of an event 1 MiB; keep large data elsewhere and send where it is";
const proxyLimit =
  "send less in one call, as with --batch 100, or raise the limit of the proxy for bodies (nginx: client_max_body_size)";
const wrongScheme = "name a server without TLS with --server http://host:port";
const serverFault = "the log of the server says more; the same command may be repeated";
const repeat = "the same command may be repeated; what is stored is not stored twice";

function explainCall(error: ConnectError, address: string): Failure {
  const { code } = error;
  const said = plain(error.rawMessage);
  if (isTlsError(error.cause)) return failure(unexpected, `no TLS with ${address}: ${said}`, wrongScheme);
  switch (code) {
    case Code.Unavailable:
      return explainUnavailable(error, address);
    case Code.DeadlineExceeded:
      return failure(unavailable, `${address}: ${said}`, "give it more time with --timeout 2m");
    case Code.Aborted:
    case Code.Canceled:
      return failure(unavailable, `${address} closed the connection: ${said}`, repeat);
    case Code.ResourceExhausted:
      // Without a word of when it may come again it is a message over the size limit.
      return error.findDetails(RetryInfoSchema).length > 0
        ? failure(unavailable, `${address} refused: ${said}`, "send less at once, or later")
        : failure(usage, `${address} refused: ${said}`, tooLarge);
    case Code.InvalidArgument:
      return failure(usage, said, "see event ingest --help");
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return failure(usage, `${address} refused: ${said}`, noCredential);
    case Code.Unimplemented:
      return failure(unexpected, `${address} does not know this call: ${said}`, wrongProtocol);
    default:
      // Connect has no code for it, and no other trace of the status of HTTP.
      if (/^HTTP 413\b/.test(said)) {
        return failure(
          usage,
          `a proxy before ${address} accepts no request of this size (${said})`,
          proxyLimit,
        );
      }
      if (error.isWireError) return failure(unexpected, `${address} failed: ${said}`, serverFault);
      // A server that speaks another protocol shows in many ways.
      return failure(unexpected, `${address} did not answer as expected: ${said}`, wrongProtocol);
  }
}

/** As when the server does not speak TLS at all, or has a certificate that nobody here trusts. */
function isTlsError(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && /SSL|CERT|TLS/.test(String(cause.code));
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
