/**
 * Things that come and go with every call, each with a number. In a Map or Set they would stay after they have left: V8
 * links each table of a Map to the larger or cleaner one that replaces it, and if one of them is in the old generation when
 * it is replaced, all that come after it, and what they held, outlive every quick garbage collection. That cost a call a
 * sixth of its time.
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
  /** Whatever is to be known of it. */
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
