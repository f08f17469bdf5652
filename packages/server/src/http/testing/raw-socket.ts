import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { onTestFinished } from "vitest";

/** A connection on which a test says exactly what it wants. */
export interface RawSocket {
  write(data: string | Uint8Array): void;
  /** Sends the same again and again, as fast as the peer takes it, until the connection is closed. */
  flood(data: string): Promise<void>;
  /** Sends FIN. */
  end(): void;
  destroy(): void;
  /** Stops reading, so that the peer's writes back up. */
  pause(): void;
  /** All that came so far. */
  received(): Buffer;
  /** Waits until what came satisfies the condition. @throws Error if the connection ends before. */
  until(condition: (received: Buffer) => boolean): Promise<Buffer>;
  /** Resolves with all that came, when the connection is closed, by a reset too. */
  readonly closed: Promise<Buffer>;
  /** Whether the connection broke instead of being closed. */
  broken(): boolean;
}

/** Where to connect; `cert` and `alpn` make it TLS. */
export interface Target {
  port: number;
  cert?: string | undefined;
  alpn?: string[];
  /** Goes on sending when the peer sends no more. */
  allowHalfOpen?: boolean;
}

/** Connects; what is still open at the end of the test is destroyed. */
export async function openRaw(target: Target): Promise<RawSocket> {
  const raw = await openUntracked(target);
  onTestFinished(() => raw.destroy());
  return raw;
}

/** As `openRaw`, for thousands of connections that the caller closes. */
export async function openUntracked({ port, cert, alpn, allowHalfOpen = false }: Target): Promise<RawSocket> {
  const address = { host: "127.0.0.1", port, allowHalfOpen };
  const socket: Socket =
    cert === undefined
      ? connectTcp(address)
      : connectTls({ ...address, ca: cert, servername: "localhost", ALPNProtocols: alpn ?? ["http/1.1"] });
  const chunks: Buffer[] = [];
  const received = () => Buffer.concat(chunks);
  const closed = new Promise<Buffer>((resolve) => socket.once("close", () => resolve(received())));
  await once(socket, cert === undefined ? "connect" : "secureConnect");
  let broken = false;
  socket.on("error", () => (broken = true)).on("data", (chunk: Buffer) => chunks.push(chunk));
  const flood = (data: string) => {
    if (socket.writable) socket.write(data, () => flood(data));
  };
  return {
    write: (data) => void socket.write(data),
    async flood(data) {
      flood(data);
      await closed;
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    pause: () => void socket.pause(),
    received,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (!condition(received())) return;
          socket.off("data", check);
          resolve(received());
        };
        socket.on("data", check);
        check();
        void closed.then((all) =>
          reject(new Error(`closed after ${JSON.stringify(all.toString("latin1"))}`)),
        );
      }),
    closed,
    broken: () => broken,
  };
}
