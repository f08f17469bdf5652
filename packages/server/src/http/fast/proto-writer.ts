const initialBytes = 64 * 1024;
/** A larger buffer is let go after use. */
const mostKept = 1024 * 1024;

/** Where messages are encoded. What it appends, it says true to. */
export class ProtoWriter {
  #buffer = Buffer.allocUnsafeSlow(initialBytes);
  #length = 0;

  /** A whole number below 2^32. */
  varint(value: number): true {
    this.#reserve(5);
    let rest = value;
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
    return true;
  }

  /** A whole number of 64 bits, with or without a sign. */
  bigVarint(value: bigint): true {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 0xffff_ffffn) {
      this.#buffer[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    return this.varint(Number(rest));
  }

  /** With its length in front. */
  text(value: string): true {
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#reserve(size);
    this.#length += this.#buffer.write(value, this.#length);
    return true;
  }

  /** With their length in front. */
  bytes(value: Uint8Array): true {
    this.varint(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return true;
  }

  /** Begins something that has its length in front. */
  open(): number {
    this.#reserve(1);
    return this.#length++;
  }

  /** Ends it. */
  close(start: number): void {
    const size = this.#length - start - 1;
    // Mostly, the byte that was left for it is enough for the length.
    const more = bytesOfVarint(size) - 1;
    if (more > 0) {
      this.#reserve(more);
      this.#buffer.copyWithin(start + 1 + more, start + 1, this.#length);
    }
    this.#length = start;
    this.varint(size);
    this.#length += size;
  }

  /** What `write` appends, or nothing if it says false. */
  encoded<T>(write: (out: ProtoWriter, value: T) => boolean, value: T): Buffer | undefined {
    this.#length = 0;
    const taken = write(this, value) ? Buffer.from(this.#buffer.subarray(0, this.#length)) : undefined;
    if (this.#buffer.length > mostKept) this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
    return taken;
  }

  #reserve(count: number): void {
    const wanted = this.#length + count;
    if (wanted <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

function bytesOfVarint(value: number): number {
  let count = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) count++;
  return count;
}
