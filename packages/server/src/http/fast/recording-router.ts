import {
  type ConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type MethodImplSpec,
} from "@connectrpc/connect";
import { createMethodUrl } from "@connectrpc/connect/protocol";

/** The implementation of a unary rpc. */
export type UnarySpec = MethodImplSpec & { kind: "unary" };

/**
 * A router that registers everything with `router` and notes the unary rpcs by their paths. One that is registered with
 * options of its own is not noted, as these say how to serve it.
 */
export function recordUnary(router: ConnectRouter, unary: Map<string, UnarySpec>): ConnectRouter {
  const note = (specs: readonly MethodImplSpec[], options: object | undefined) => {
    for (const spec of specs) {
      const path = createMethodUrl("/", spec.method);
      if (spec.kind === "unary" && options === undefined) unary.set(path, spec);
      else unary.delete(path);
    }
    return recording;
  };
  const recording: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, options);
      return note(Object.values(createServiceImplSpec(service, implementation).methods), options);
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, options);
      return note([createMethodImplSpec(method, implementation)], options);
    },
  };
  return recording;
}
