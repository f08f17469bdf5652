/** How values of one type are written in the binary format of Postgres. `oid` is the number of the type. */
interface Codec<T> {
  oid: number;
  size: (value: T) => number;
  write: (to: Buffer, value: T, at: number) => void;
}

/** A parameter that holds an array. */
type ArrayEncoder<T> = (values: readonly (T | null)[]) => Buffer;

const headBytes = 20;

/**
 * Arrays in binary: the driver would write them as text, in which every value is escaped, bytes take two digits each,
 * and the server parses it all again.
 */
function arrayOf<T>({ oid, size, write }: Codec<T>): ArrayEncoder<T> {
  return (values) => {
    const bytes = values.reduce((sum, value) => sum + 4 + (value === null ? 0 : size(value)), headBytes);
    const buffer = Buffer.allocUnsafe(bytes);
    const hasNull = values.includes(null) ? 1 : 0;
    let at = 0;
    for (const field of [1, hasNull, oid, values.length, 1]) at = buffer.writeInt32BE(field, at);
    for (const value of values) {
      const length = value === null ? -1 : size(value);
      at = buffer.writeInt32BE(length, at);
      if (value === null) continue;
      write(buffer, value, at);
      at += length;
    }
    return buffer;
  };
}

/** text[] */
export const textArray: ArrayEncoder<string> = arrayOf({
  oid: 25,
  size: (value) => Buffer.byteLength(value),
  write: (to, value, at) => to.write(value, at),
});

/** bytea[] */
export const byteaArray: ArrayEncoder<Uint8Array> = arrayOf({
  oid: 17,
  size: (value) => value.byteLength,
  write: (to, value, at) => to.set(value, at),
});

/** Ids must be well formed: see `isUuid`. */
export const uuidArray: ArrayEncoder<string> = arrayOf({
  oid: 2950,
  size: () => 16,
  write: (to, value, at) => to.write(value.replaceAll("-", ""), at, "hex"),
});

/** int4[] */
export const int4Array: ArrayEncoder<number> = arrayOf({
  oid: 23,
  size: () => 4,
  write: (to, value, at) => to.writeInt32BE(value, at),
});

/** int8[] */
export const int8Array: ArrayEncoder<bigint> = arrayOf({
  oid: 20,
  size: () => 8,
  write: (to, value, at) => to.writeBigInt64BE(value, at),
});

/** The same bytes as the port has them, without the methods of Buffer. */
export function plainBytes({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
