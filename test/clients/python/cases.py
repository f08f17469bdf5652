"""What both clients share: the messages, and how a case ends."""

import json
import os
import sys

import grpc

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "..", "proto"))
pb, services = grpc.protos_and_services("event.proto")

LONG_ID = "x" * 129
BINARY = ("x-trace-bin", b"\x00\xff\x80")
health = "/grpc.health.v1.Health/Check"


def event(event_id, payload="hello"):
    return pb.EventRequest(event_id=event_id, payload=payload)


def unknown(channel):
    return channel.unary_unary("/event.EventService/NoSuchMethod")


def expect(holds, got=None):
    if not holds:
        raise AssertionError(f"not as expected: {got}")


def expect_bad_request(error):
    expect(error.code() == grpc.StatusCode.INVALID_ARGUMENT, error)
    expect("at most 128 bytes" in error.details(), error)
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    expect(b"google.rpc.BadRequest" in details and b"event_id" in details, details)


class Cases(list):
    def __init__(self):
        super().__init__()
        self.address = sys.argv[1]

    def add(self, name):
        return lambda case: self.append((name, case))

    def say(self, name, error=""):
        print(json.dumps({"name": name, "error": error}), flush=True)
