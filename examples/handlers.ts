// The handlers that `pnpm dev` runs. An event is processed at least once, so a handler must bear being run again
// for the same event: use event.eventId as the key of whatever it changes elsewhere.
import { setTimeout as sleep } from "node:timers/promises";
import { defineHandler, Reject, RetryLater } from "@event-ingestion/worker";

export default [
  // What a handler returns is the result that GetStatus shows.
  defineHandler("user.signup", async (event) => {
    const { email } = JSON.parse(event.payload) as { email: string };
    return `welcome mail sent to ${email}`;
  }),

  // A mistake in the event itself will not go away: reject it, and it is dead at once.
  defineHandler("order.created", async (event) => {
    const { amount } = JSON.parse(event.payload) as { amount: number };
    if (!(amount > 0)) throw new Reject(`amount must be positive, got ${amount}`);
    return `invoice over ${amount} written`;
  }),

  // Whatever else is thrown is tried again with a growing delay; RetryLater says when.
  defineHandler("payment.captured", async (_event, { attempt, signal }) => {
    if (attempt === 1) throw new RetryLater(200, "the bank is busy");
    // Pass the signal on: it aborts on shutdown, on cancellation and when the handler takes too long.
    await sleep(20, undefined, { signal });
    return `captured at attempt ${attempt}`;
  }),

  // Every type without a handler of its own.
  defineHandler(
    "*",
    async (event) => `${event.type || "event"} of ${event.payload.length} characters processed`,
  ),
];
