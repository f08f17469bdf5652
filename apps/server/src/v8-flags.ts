import { setFlagsFromString } from "node:v8";

/**
 * What has to be set before the first call.
 *
 * V8 allocates in the old generation what is made at a place in the code whose objects all outlived one garbage collection.
 * With more than a hundred calls under way that can be anything a call has, and from then on every call that is over
 * keeps all that it ever held until the next full collection, of which there are several a second then.
 */
export function setV8Flags(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
