"""Calls the service at argv[1] with gRPC for Python and prints one line of JSON a case: its name and what went wrong."""

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import grpc
from cases import BINARY, LONG_ID, Cases, event, expect, expect_bad_request, health, pb, services, unknown

cases = Cases()
channel = grpc.insecure_channel(cases.address)
service = services.EventServiceStub(channel)


def refusal(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


@cases.add("unary")
def _():
    first = service.IngestEvent(event("sync-unary"), timeout=10, wait_for_ready=True)
    expect(first.accepted, first)
    again = service.IngestEvent(event("sync-unary"), timeout=10)
    expect(again.outcome == pb.OUTCOME_DUPLICATE and again.job_id == first.job_id, again)
    status = service.GetStatus(pb.StatusRequest(job_id=first.job_id), timeout=10)
    expect(status.event_id == "sync-unary", status)


@cases.add("200 at once")
def _():
    calls = [service.IngestEvent.future(event(f"sync-many-{n}"), timeout=20) for n in range(200)]
    expect(len({call.result().job_id for call in calls}) == 200)


@cases.add("from 8 threads")
def _():
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: service.IngestEvent(event(f"sync-t-{n}"), timeout=20), range(80)))
    expect(all(answer.accepted for answer in answers))


@cases.add("batch")
def _():
    batch = pb.IngestBatchRequest(events=[event(f"sync-batch-{n}") for n in range(1000)])
    expect(len(service.IngestBatch(batch, timeout=20).results) == 1000)


@cases.add("stream")
def _():
    answered = threading.Semaphore(1)

    def batches():
        for n in range(3):
            answered.acquire()
            yield pb.IngestBatchRequest(events=[event(f"sync-stream-{n}")])

    outcomes = []
    for answer in service.IngestStream(batches(), timeout=20):
        outcomes += [result.outcome for result in answer.results]
        answered.release()
    expect(outcomes == [pb.OUTCOME_ACCEPTED] * 3, outcomes)


@cases.add("deadline")
def _():
    release = threading.Event()

    def nothing():
        release.wait(20)
        yield from ()

    error = refusal(lambda: list(service.IngestStream(nothing(), timeout=0.3)))
    release.set()
    expect(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)


@cases.add("errors")
def _():
    expect_bad_request(refusal(lambda: service.IngestEvent(event(LONG_ID), timeout=10)))
    error = refusal(lambda: unknown(channel)(b"", timeout=10))
    expect(error.code() == grpc.StatusCode.UNIMPLEMENTED, error)
    # Longer than any message may be.
    error = refusal(lambda: service.IngestEvent(event("sync-huge", "x" * 8_000_000), timeout=20))
    expect(error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error)


@cases.add("metadata")
def _():
    metadata = (("x-request-id", "sync"), BINARY)
    answer, call = service.IngestEvent.with_call(event("sync-metadata"), timeout=10, metadata=metadata)
    expect(answer.accepted and call.code() == grpc.StatusCode.OK)
    expect(all(isinstance(key, str) for key, _ in [*call.initial_metadata(), *call.trailing_metadata()]))


@cases.add("gzip")
def _():
    compressed = event("sync-gzip", "x" * 500_000)
    expect(service.IngestEvent(compressed, timeout=10, compression=grpc.Compression.Gzip).accepted)
    again = service.IngestEvent(compressed, timeout=10)
    expect(again.outcome == pb.OUTCOME_DUPLICATE, again)
    # Large enough for the server to compress the answer.
    batch = pb.IngestBatchRequest(events=[event(f"sync-gzip-{n}") for n in range(1000)])
    answer = service.IngestBatch(batch, timeout=20, compression=grpc.Compression.Gzip)
    expect(all(result.accepted for result in answer.results))


@cases.add("cancellation")
def _():
    for n in range(300):
        release = threading.Event()
        call = service.IngestStream(iter(release.wait, True))
        call.cancel()
        release.set()
        expect(call.code() == grpc.StatusCode.CANCELLED, call)
    expect(service.IngestEvent(event("sync-after"), timeout=10).accepted)


@cases.add("health")
def _():
    check = channel.unary_unary(health, response_deserializer=bytes)
    expect(check(b"", timeout=10) == b"\x08\x01")


for name, case in cases:
    try:
        case()
        cases.say(name)
    except Exception:
        cases.say(name, traceback.format_exc())
