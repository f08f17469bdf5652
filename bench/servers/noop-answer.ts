import { type EventResponse, EventResponseSchema, Outcome } from "@event-ingestion/api";
import { create } from "@bufbuild/protobuf";

/** What the reference servers answer: as long as a real answer. */
export function noopAnswer(): EventResponse {
  return create(EventResponseSchema, {
    accepted: true,
    message: "Event received successfully",
    jobId: "019aa8d6-52f1-7000-8000-000000000001",
    outcome: Outcome.ACCEPTED,
  });
}
