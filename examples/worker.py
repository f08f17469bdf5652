"""Processes events in Python: a worker is five calls that any language with gRPC can make (proto/event/worker/v1).

pip install grpcio grpcio-tools && SERVER_ADDRESS=localhost:50051 python3 examples/worker.py
"""

import os, random, signal, socket, sys, threading, time
from contextlib import contextmanager, suppress

import grpc

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "proto"))
pb, services = grpc.protos_and_services("event/worker/v1/worker.proto")
TTL = 30  # seconds of silence after which the jobs run elsewhere


class Reject(Exception):
    """The event can never be processed."""


def handle(event):
    """Returns the result of the job. Runs at least once for each event, hence sometimes twice."""
    if event.type == "word.count":
        return f"{len(event.payload.split())} words"
    raise Reject(f'no handler for type "{event.type}"')


def run(job, cancelled):
    verdict = pb.Verdict(job_id=job.job_id, attempt=job.attempt)
    try:
        if job.job_id in cancelled:
            verdict.cancelled.SetInParent()
        else:
            verdict.succeeded.result = handle(job.event)
    except Reject as reason:
        verdict.dead.error = str(reason)
    except Exception as error:  # tried again after 1 s, 2 s, 4 s ... 1 h
        verdict.retry.error = repr(error)
        verdict.retry.delay.seconds = min(2**job.failures, 3600)
    return verdict


@contextmanager
def open_session(worker):
    """A session that is renewed, and closed at the end: that hands back what is not settled, free of charge."""
    request = pb.OpenSessionRequest(worker=f"{socket.gethostname()}:{os.getpid()}", ttl={"seconds": TTL})
    session = worker.OpenSession(request, timeout=10).session
    ended, cancelled = threading.Event(), set()

    def renew():
        while not ended.wait(TTL / 3):
            with suppress(grpc.RpcError):  # the next one may get through, or the session is lost
                answer = worker.Heartbeat(pb.HeartbeatRequest(session=session), timeout=TTL / 3)
                cancelled.update(answer.cancel_requested)
                if answer.lost:
                    ended.set()

    threading.Thread(target=renew, daemon=True).start()
    try:
        yield session, ended, cancelled
    finally:
        ended.set()
        with suppress(grpc.RpcError):
            worker.CloseSession(pb.CloseSessionRequest(session=session), timeout=5)


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
worker = services.WorkerServiceStub(grpc.insecure_channel(os.environ.get("SERVER_ADDRESS", "localhost:50051")))
while True:
    try:
        with open_session(worker) as (session, ended, cancelled):
            while not ended.is_set():
                request = pb.ClaimRequest(session=session, max_jobs=10, wait={"seconds": 10})
                for job in worker.Claim(request, timeout=20).jobs:
                    if not ended.is_set():  # once the session is lost, its jobs may run elsewhere
                        verdicts = [run(job, cancelled)]
                        worker.Settle(pb.SettleRequest(session=session, verdicts=verdicts), timeout=10)
    except grpc.RpcError as error:  # a new session: the answer of a Claim may be lost, and with it jobs
        print(f"asking again: {error.code().name} {error.details()}", file=sys.stderr)
        time.sleep(random.uniform(1, 3))
