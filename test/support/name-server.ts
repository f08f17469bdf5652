import { createSocket } from "node:dgram";
import { once } from "node:events";

/** Stands in for the name server of a container network. */
export interface NameServer extends AsyncDisposable {
  port: number;
  /** What every question for an IPv4 address is answered with, from now on; any other question has no answer. */
  addresses: readonly string[];
}

/** RFC 1035 as far as a proxy asks: one question, answers that hold for a second. */
export async function startNameServer(addresses: readonly string[]): Promise<NameServer> {
  const socket = createSocket("udp4");
  socket.on("message", (query, from) =>
    socket.send(answer(query, server.addresses), from.port, from.address),
  );
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const server: NameServer = {
    port: socket.address().port,
    addresses,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
  return server;
}

const headerBytes = 12;
const typeA = 1;

function answer(query: Buffer, addresses: readonly string[]): Buffer {
  const typeAt = query.indexOf(0, headerBytes) + 1;
  const question = query.subarray(headerBytes, typeAt + 4);
  const records = query.readUInt16BE(typeAt) === typeA ? addresses.map(record) : [];
  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  // A response, recursion asked for and available, no error; then the number of questions and of answers.
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

/** The name by reference to the question, type A, class IN, one second, four bytes of address. */
function record(address: string): Buffer {
  return Buffer.from([
    0xc0,
    headerBytes,
    0,
    typeA,
    0,
    1,
    0,
    0,
    0,
    1,
    0,
    4,
    ...address.split(".").map(Number),
  ]);
}
