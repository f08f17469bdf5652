/**
 * An unordered collection for things that come and go with every call, each with a number. It is no Map or Set, because those
 * keep removed members alive: V8 links each table of a Map to the table that replaces it. Once a table is in the old
 * generation, all tables after it, with everything that they ever held, survive every quick garbage collection. That cost a
 * call a sixth of its time.
 */
export class Bag<T> {
  readonly #members: Member<T>[] = [];

  add(item: T, value: number): Member<T> {
    return new Member(item, value, this.#members);
  }

  /** In no order, without those that come or leave meanwhile. */
  *[Symbol.iterator](): Generator<Member<T>> {
    for (const member of this.#members.slice()) if (member.isHere) yield member;
  }
}

/** A thing in a bag, until it leaves. */
export class Member<T> {
  readonly item: T;
  /** A number that its owner stores with it. */
  value: number;
  readonly #members: Member<T>[];
  #place: number;

  constructor(item: T, value: number, members: Member<T>[]) {
    this.item = item;
    this.value = value;
    this.#members = members;
    this.#place = members.push(this) - 1;
  }

  get isHere(): boolean {
    return this.#members[this.#place] === this;
  }

  /** Nothing happens if it has left before. */
  leave(): void {
    if (!this.isHere) return;
    const members = this.#members;
    const last = members.pop();
    if (last === undefined || last === this) return;
    members[this.#place] = last;
    last.#place = this.#place;
  }
}
