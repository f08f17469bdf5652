import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/**
 * What happens to the next message to the server that contains a text:
 * - lose: the connection is cut before the server gets it.
 * - execute: the server gets it, and the connection is cut when it answers.
 * - swallow: the server gets it, and nothing comes back on that connection any more; nobody is told.
 * - delay: the server gets it half a second after the client has given up the connection, as from a slow network.
 */
type Fault = "lose" | "execute" | "swallow" | "delay";

/** A TCP proxy before a server, for everything that can go wrong in between. */
export interface FaultProxy extends AsyncDisposable {
  /** That URL, by way of the proxy. */
  through: (url: string) => string;
  /** Resolves when it has happened. */
  once: (text: string, fault: Fault) => Promise<void>;
  /** Half-open: what is sent either way is lost, and nobody is told; new connections are accepted and hear nothing. */
  silence: () => void;
  /** Cuts what there is; from now on everything works. */
  restore: () => void;
}

/** A proxy in front of the server on `serverPort` that does nothing wrong yet. */
export async function startFaultProxy(serverPort: number): Promise<FaultProxy> {
  const pairs = new Set<[Socket, Socket]>();
  let plan: { text: string; fault: Fault; done: () => void } | undefined;
  let isSilent = false;

  const relay = (client: Socket) => {
    const server = connect(serverPort, "127.0.0.1");
    const pair: [Socket, Socket] = [client, server];
    let answers: "pass" | "cut" | "lose" = "pass";
    const cut = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    const delay = (chunk: Buffer, done: () => void) => {
      plan = undefined;
      answers = "lose";
      server.once("close", done);
      client.once("close", () => setTimeout(() => server.end(chunk), 500));
    };
    pairs.add(pair);
    for (const socket of pair) socket.on("error", cut);
    server.on("close", () => isSilent || answers === "lose" || cut());
    client.on("data", (chunk) => {
      if (isSilent) return;
      if (plan?.fault === "delay" && chunk.includes(plan.text)) return delay(chunk, plan.done);
      const fault = plan !== undefined && chunk.includes(plan.text) ? plan.fault : undefined;
      if (fault !== undefined) plan?.done();
      if (fault === "lose") return cut();
      if (fault === "execute") answers = "cut";
      if (fault === "swallow") answers = "lose";
      server.write(chunk);
    });
    client.on("close", () => answers === "pass" && server.end());
    server.on("data", (chunk) => {
      if (answers === "cut") cut();
      else if (answers === "pass" && !isSilent) client.write(chunk);
    });
  };

  const proxy = createServer(relay).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const restore = () => {
    isSilent = false;
    plan = undefined;
    for (const [client, server] of pairs) {
      client.destroy();
      server.destroy();
    }
    pairs.clear();
  };
  return {
    through(url) {
      const changed = new URL(url);
      changed.port = String(port);
      return changed.href;
    },
    once: (text, fault) =>
      new Promise((resolve) => {
        plan = {
          text,
          fault,
          done() {
            plan = undefined;
            resolve();
          },
        };
      }),
    silence: () => void (isSilent = true),
    restore,
    async [Symbol.asyncDispose]() {
      restore();
      proxy.close();
      await once(proxy, "close");
    },
  };
}
