import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "./gen/grpc/health/v1/health_pb.ts";
import { createWatchers } from "./watchers.ts";

/** The status of a known service. */
export type ServingStatus = "SERVING" | "NOT_SERVING";

/** What `createHealth` takes beside the services. */
export interface HealthOptions {
  /** Watch calls that may be open at once, 1 to 1,000,000; more end with RESOURCE_EXHAUSTED. Default 1000. */
  maxWatchers?: number;
}

/** The statuses, and the rpcs that tell them. */
export interface ServiceHealth {
  /** Adds grpc.health.v1.Health to a router. */
  routes: (router: ConnectRouter) => void;
  /** Sets the status of one service by its full name, known before or not. "" is the whole process. */
  set: (service: string, status: ServingStatus) => void;
  /** Sets the status of the whole process and of every service known so far. */
  setAll: (status: ServingStatus) => void;
}

/**
 * Starts with SERVING for the whole process ("") and for each of the services.
 *
 * @throws RangeError for an option out of its limits.
 */
export function createHealth(services: readonly DescService[], options: HealthOptions = {}): ServiceHealth {
  const { maxWatchers = 1000 } = options;
  checkMaxWatchers(maxWatchers);
  const watchers = createWatchers(maxWatchers);
  const statuses = new Map<string, Status>([["", Status.SERVING]]);
  for (const { typeName } of services) statuses.set(typeName, Status.SERVING);

  return {
    routes(router) {
      router.service(Health, {
        check({ service }) {
          const status = statuses.get(service);
          if (status === undefined) throw new ConnectError("unknown service", Code.NotFound);
          return { status };
        },
        list: () => ({
          statuses: Object.fromEntries([...statuses].map(([name, status]) => [name, { status }])),
        }),
        // Reads the status when its caller is ready for one: nothing is queued, and a slow reader gets the latest.
        async *watch({ service }, { signal }) {
          checkLength(service);
          const watcher = watchers.join(signal);
          let sent: Status | undefined;
          while (!signal.aborted) {
            const status = statuses.get(service) ?? Status.SERVICE_UNKNOWN;
            if (status === sent) {
              await watcher.change();
            } else {
              sent = status;
              yield { status };
            }
          }
          signal.throwIfAborted();
        },
      });
    },
    set(service, status) {
      statuses.set(service, Status[status]);
      watchers.wake();
    },
    setAll(status) {
      for (const name of statuses.keys()) statuses.set(name, Status[status]);
      watchers.wake();
    },
  };
}

function checkMaxWatchers(got: number): void {
  if (Number.isInteger(got) && got >= 1 && got <= 1_000_000) return;
  throw new RangeError(`maxWatchers must be a whole number from 1 to 1000000, got ${got}`);
}

/** An unknown name is kept as long as its watch: without a limit a few callers could fill the memory with names. */
function checkLength(service: string): void {
  if (service.length <= 1024) return;
  const message = `service must be at most 1024 characters, got ${service.length}`;
  throw new ConnectError(message, Code.InvalidArgument);
}
