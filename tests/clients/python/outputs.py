"""A client of Falco's gRPC API with grpcio and the repository's .proto files.

    outputs.py [--certs DIR] ENDPOINT COMMAND [COUNT]

ENDPOINT is unix:///PATH (plaintext) or HOST:PORT (TLS with ca.crt, client.crt, client.key of DIR).

    version  get  reflection  health
    sub-silent      never sends a request
    sub-half-close  sends one request and half-closes
    sub-polite      sends 10 requests a second, 30 of them
    sub-burst       sends 3 bursts of 2,000 requests

A sub ends after COUNT alerts, or with the server if COUNT is 0. It prints one JSON object a line:
each alert; {"open": true} after the response headers; {"sent": N} after the last request;
{"status": N} when a sub ends, or another call ends with a status other than OK. The exit code is 0
if all alerts arrived, and 3 after a "status" line.
"""

import argparse
import json
import pathlib
import sys
import threading
import time

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto" / "falco"
DEADLINE_SECONDS = 30

printing = threading.Lock()


def say(value):
    with printing:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


def alert(response):
    return {
        "time": f"{response.time.seconds}.{response.time.nanos:09}",
        "priority": response.priority,
        "source_deprecated": response.source_deprecated,
        "rule": response.rule,
        "output": response.output,
        "output_fields": dict(response.output_fields),
        "hostname": response.hostname,
        "tags": list(response.tags),
        "source": response.source,
    }


def connect(endpoint, certs):
    if endpoint.startswith("unix:"):
        return grpc.insecure_channel(endpoint)
    files = ("ca.crt", "client.key", "client.crt")
    credentials = grpc.ssl_channel_credentials(
        *((pathlib.Path(certs) / name).read_bytes() for name in files)
    )
    return grpc.secure_channel(endpoint, credentials)


def requests(kind, request, done):
    """The requests of a subscriber. The end of the iterator is the half-close."""
    sent = 0
    if kind == "sub-half-close":
        yield request
        say({"sent": 1})
        return
    if kind == "sub-polite":
        for sent in range(1, 31):
            yield request
            time.sleep(0.1)
    if kind == "sub-burst":
        for _ in range(3):
            for _ in range(2000):
                sent += 1
                yield request
            time.sleep(0.2)
    if sent:
        say({"sent": sent})
    done.wait()


def subscribe(channel, kind, count):
    messages, services = grpc.protos_and_services("outputs.proto")
    done = threading.Event()
    call = services.serviceStub(channel).sub(requests(kind, messages.request(), done))
    call.initial_metadata()
    say({"open": True})
    for seen, response in enumerate(call, start=1):
        say(alert(response))
        if seen == count:
            done.set()
            call.cancel()
            return
    say({"status": 0})
    sys.exit(3)


def get(channel):
    messages, services = grpc.protos_and_services("outputs.proto")
    for response in services.serviceStub(channel).get(messages.request(), timeout=DEADLINE_SECONDS):
        say(alert(response))


def version(channel):
    messages, services = grpc.protos_and_services("version.proto")
    response = services.serviceStub(channel).version(messages.request(), timeout=DEADLINE_SECONDS)
    say({field.name: getattr(response, field.name) for field in response.DESCRIPTOR.fields})


def reflection(channel):
    """The names of all services, and the server's descriptions of Falco's services."""
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    services = sorted(database.get_services())
    methods = {}
    for name in services:
        if name.startswith("falco."):
            service = pool.FindServiceByName(name)
            methods[name] = {m.name: m.output_type.full_name for m in service.methods}
    say({"services": services, "methods": methods})


def health(channel):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "falco.outputs.service", "falco.version.service"):
        request = health_pb2.HealthCheckRequest(service=service)
        response = stub.Check(request, timeout=DEADLINE_SECONDS)
        say({"service": service, "serving": response.status == response.SERVING})


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--certs")
    parser.add_argument("endpoint")
    parser.add_argument("command")
    parser.add_argument("count", type=int, nargs="?", default=0)
    args = parser.parse_args()
    # grpcio searches the module path for .proto files.
    sys.path.append(str(PROTO))
    with connect(args.endpoint, args.certs) as channel:
        try:
            if args.command in ("sub-silent", "sub-half-close", "sub-polite", "sub-burst"):
                subscribe(channel, args.command, args.count)
            elif args.command in ("version", "get", "reflection", "health"):
                globals()[args.command](channel)
            else:
                parser.error(f"unknown command {args.command}")
        except grpc.RpcError as error:
            print(f"{error.code()}: {error.details()}", file=sys.stderr)
            say({"status": error.code().value[0]})
            sys.exit(3)


if __name__ == "__main__":
    main()
