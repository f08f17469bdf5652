"""The same calls as those of sync_client.py, with grpc.aio."""

import asyncio
import traceback

import grpc
from cases import BINARY, LONG_ID, Cases, event, expect, expect_bad_request, health, pb, services, unknown

cases = Cases()


async def refusal(call):
    try:
        await call
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


@cases.add("unary")
async def _(channel, service):
    first = await service.IngestEvent(event("aio-unary"), timeout=10, wait_for_ready=True)
    expect(first.accepted, first)
    again = await service.IngestEvent(event("aio-unary"), timeout=10)
    expect(again.outcome == pb.OUTCOME_DUPLICATE and again.job_id == first.job_id, again)
    status = await service.GetStatus(pb.StatusRequest(job_id=first.job_id), timeout=10)
    expect(status.event_id == "aio-unary", status)


@cases.add("200 at once")
async def _(channel, service):
    calls = [service.IngestEvent(event(f"aio-many-{n}"), timeout=20) for n in range(200)]
    expect(len({answer.job_id for answer in await asyncio.gather(*calls)}) == 200)


@cases.add("batch")
async def _(channel, service):
    batch = pb.IngestBatchRequest(events=[event(f"aio-batch-{n}") for n in range(1000)])
    expect(len((await service.IngestBatch(batch, timeout=20)).results) == 1000)


@cases.add("stream")
async def _(channel, service):
    call = service.IngestStream(timeout=20)
    outcomes = []
    for n in range(3):
        await call.write(pb.IngestBatchRequest(events=[event(f"aio-stream-{n}")]))
        outcomes += [result.outcome for result in (await call.read()).results]
    await call.done_writing()
    expect(await call.read() == grpc.aio.EOF)
    expect(outcomes == [pb.OUTCOME_ACCEPTED] * 3, outcomes)


@cases.add("deadline")
async def _(channel, service):
    error = await refusal(service.IngestStream(timeout=0.3).read())
    expect(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)


@cases.add("errors")
async def _(channel, service):
    expect_bad_request(await refusal(service.IngestEvent(event(LONG_ID), timeout=10)))
    error = await refusal(unknown(channel)(b"", timeout=10))
    expect(error.code() == grpc.StatusCode.UNIMPLEMENTED, error)
    # Longer than any message may be.
    error = await refusal(service.IngestEvent(event("aio-huge", "x" * 8_000_000), timeout=20))
    expect(error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error)


@cases.add("metadata")
async def _(channel, service):
    call = service.IngestEvent(event("aio-metadata"), timeout=10, metadata=(("x-request-id", "aio"), BINARY))
    expect((await call).accepted and await call.code() == grpc.StatusCode.OK)
    expect(all(isinstance(key, str) for key, _ in [*await call.initial_metadata(), *await call.trailing_metadata()]))


@cases.add("gzip")
async def _(channel, service):
    compressed = event("aio-gzip", "x" * 500_000)
    expect((await service.IngestEvent(compressed, timeout=10, compression=grpc.Compression.Gzip)).accepted)
    again = await service.IngestEvent(compressed, timeout=10)
    expect(again.outcome == pb.OUTCOME_DUPLICATE, again)
    # Large enough for the server to compress the answer.
    batch = pb.IngestBatchRequest(events=[event(f"aio-gzip-{n}") for n in range(1000)])
    answer = await service.IngestBatch(batch, timeout=20, compression=grpc.Compression.Gzip)
    expect(all(result.accepted for result in answer.results))


@cases.add("cancellation")
async def _(channel, service):
    for n in range(300):
        call = service.IngestStream()
        await call.write(pb.IngestBatchRequest(events=[event(f"aio-cancelled-{n}")]))
        call.cancel()
        expect(await call.code() == grpc.StatusCode.CANCELLED, call)
    expect((await service.IngestEvent(event("aio-after"), timeout=10)).accepted)


@cases.add("health")
async def _(channel, service):
    check = channel.unary_unary(health, response_deserializer=bytes)
    expect(await check(b"", timeout=10) == b"\x08\x01")


async def main():
    async with grpc.aio.insecure_channel(cases.address) as channel:
        service = services.EventServiceStub(channel)
        for name, case in cases:
            try:
                await case(channel, service)
                cases.say(name)
            except Exception:
                cases.say(name, traceback.format_exc())


asyncio.run(main())
