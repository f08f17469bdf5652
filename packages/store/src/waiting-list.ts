/** Items of one request, which go into one call together. */
export interface WaitingGroup<T> {
  items: readonly T[];
  readonly bytes: number;
  /** It was removed; its place in the list is given up later. */
  isGone: boolean;
}

/** The limits of one call. */
export interface CallLimits {
  /** Items in one call. */
  maxBatch: number;
  /** Bytes in one call; a single group may exceed it. */
  maxBatchBytes: number;
}

/** Groups in the order they came, first in, first out. */
export interface WaitingList<G> {
  /** Items that wait, and their bytes. */
  readonly pending: { readonly items: number; readonly bytes: number };
  /** The number of groups that wait. */
  size(): number;
  add(group: G): void;
  /** Takes a group out of the middle. Its items are let go at once. */
  remove(group: G): void;
  /** Takes the groups of the next call, oldest first: as many as fit, at least one if any waits. */
  take(): G[];
  /** The groups that wait, as they are now. */
  groups(): G[];
}

/** An empty list. */
export function createWaitingList<G extends WaitingGroup<unknown>>(limits: CallLimits): WaitingList<G> {
  /** An array, not a Set: what has been in a Set is kept from quick garbage collections. */
  let places: G[] = [];
  let gone = 0;
  const pending = { items: 0, bytes: 0 };

  const discount = (group: G) => {
    pending.items -= group.items.length;
    pending.bytes -= group.bytes;
  };

  return {
    pending,
    size: () => places.length - gone,
    add(group) {
      places.push(group);
      pending.items += group.items.length;
      pending.bytes += group.bytes;
    },
    remove(group) {
      discount(group);
      group.items = [];
      group.isGone = true;
      gone++;
      // Places are given up many at a time: one by one, each would cost as much as all that wait.
      if (gone * 2 < places.length) return;
      places = places.filter((each) => !each.isGone);
      gone = 0;
    },
    take() {
      const end = endOfCall(places, limits);
      const groups = places.splice(0, end).filter((group) => !group.isGone);
      gone -= end - groups.length;
      for (const group of groups) discount(group);
      return groups;
    },
    groups: () => places.filter((group) => !group.isGone),
  };
}

/** How many places the next call takes. */
function endOfCall(
  places: readonly WaitingGroup<unknown>[],
  { maxBatch, maxBatchBytes }: CallLimits,
): number {
  let end = 0;
  let items = 0;
  let bytes = 0;
  for (const group of places) {
    const fits = items + group.items.length <= maxBatch && bytes + group.bytes <= maxBatchBytes;
    if (items > 0 && !fits) break;
    end++;
    items += group.items.length;
    bytes += group.isGone ? 0 : group.bytes;
  }
  return end;
}
