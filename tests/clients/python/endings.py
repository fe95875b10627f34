"""Reads alerts with Python clients other than grpcio, many at once, until the server stops.

    endings.py [--certs DIR] ENDPOINT LIBRARY CONNECTIONS [FILTER]

ENDPOINT is unix:///PATH (plaintext) or HOST:PORT (TLS with ca.crt, client.crt, client.key of DIR);
LIBRARY is grpclib, betterproto2 or purerpc (which does not support unix sockets). Each connection
has one `sub` that starts with the newest alert, with FILTER as its falconer-filter, and never
half-closes. The program prints one JSON object a line: {"open": true} when all calls have that
alert, then the end of each call: {"rules": [...], "status": N}, or {"rules": [...], "error": TEXT}
if the library reported no status.
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import ssl
import sys

SERVICE, METHOD = "falco.outputs.service", "sub"


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def messages():
    """The fields of Falco's messages that the program reads."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="outputs.proto", package="falco.outputs", syntax="proto3"
    )
    file.message_type.add(name="request")
    file.message_type.add(name="response").field.add(
        name="rule",
        number=4,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (
        pool.FindMessageTypeByName(f"falco.outputs.{name}") for name in ("request", "response")
    )
    return [message_factory.GetMessageClass(descriptor) for descriptor in found]


def context(certs):
    trusted = ssl.create_default_context(cafile=str(pathlib.Path(certs) / "ca.crt"))
    files = (str(pathlib.Path(certs) / name) for name in ("client.crt", "client.key"))
    trusted.load_cert_chain(*files)
    trusted.set_alpn_protocols(["h2"])
    return trusted


def host_and_port(endpoint):
    host, port = endpoint.rsplit(":", 1)
    return host, int(port)


def channel(endpoint, certs):
    from grpclib.client import Channel

    if endpoint.startswith("unix://"):
        return Channel(path=endpoint.removeprefix("unix://"))
    host, port = host_and_port(endpoint)
    return Channel(host, port, ssl=context(certs))


def metadata(args):
    chosen = {"falconer-last": "1"}
    return chosen | {"falconer-filter": args.filter} if args.filter else chosen


def read(alert, opened, rules):
    rules.append(alert.rule)
    if len(rules) == 1:
        opened()


async def grpclib(args, opened, rules):
    from grpclib.const import Cardinality
    from grpclib.exceptions import GRPCError

    request, response = messages()
    route = f"/{SERVICE}/{METHOD}"
    open_channel = channel(args.endpoint, args.certs)
    try:
        async with open_channel.request(
            route, Cardinality.STREAM_STREAM, request, response, metadata=metadata(args)
        ) as stream:
            await stream.send_request()
            async for alert in stream:
                read(alert, opened, rules)
    except GRPCError as error:
        return error.status.value
    finally:
        open_channel.close()


async def betterproto2(args, opened, rules):
    import betterproto2
    from betterproto2.grpclib import ServiceStub
    from grpclib.exceptions import GRPCError

    @dataclasses.dataclass(eq=False, repr=False)
    class Request(betterproto2.Message):
        pass

    @dataclasses.dataclass(eq=False, repr=False)
    class Response(betterproto2.Message):
        rule: str = betterproto2.field(4, betterproto2.TYPE_STRING)

    async def requests():
        await asyncio.Event().wait()
        yield Request()

    open_channel = channel(args.endpoint, args.certs)
    stub = ServiceStub(open_channel, metadata=metadata(args))
    try:
        async for alert in stub._stream_stream(
            f"/{SERVICE}/{METHOD}", requests(), Request, Response
        ):
            read(alert, opened, rules)
    except GRPCError as error:
        return error.status.value
    finally:
        open_channel.close()


async def purerpc(args, opened, rules):
    import purerpc as library
    from purerpc.grpclib.exceptions import RpcFailedError
    from purerpc.rpc import Cardinality, RPCSignature

    request, response = messages()
    signature = RPCSignature(Cardinality.STREAM_STREAM, request, response)
    host, port = host_and_port(args.endpoint)
    async with library.secure_channel(host, port, context(args.certs)) as open_channel:
        stub = library.Client(SERVICE, open_channel).get_method_stub(METHOD, signature)
        stream = await stub(metadata=tuple(metadata(args).items()))
        while True:
            alert = await stream.receive_message()
            if alert is None:
                return stream.end_stream_event.status.int_value
            read(alert, opened, rules)


async def one(args, opened):
    rules = []
    libraries = {"grpclib": grpclib, "betterproto2": betterproto2, "purerpc": purerpc}
    try:
        status = await libraries[args.library](args, opened, rules)
        return {"rules": rules, "status": status or 0}
    except BaseException as error:
        return {"rules": rules, "error": repr(error)}


async def everything(args):
    left = args.connections

    def opened():
        nonlocal left
        left -= 1
        if left == 0:
            say({"open": True})

    for ended in asyncio.as_completed([one(args, opened) for _ in range(args.connections)]):
        say(await ended)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--certs")
    parser.add_argument("endpoint")
    parser.add_argument("library")
    parser.add_argument("connections", type=int)
    parser.add_argument("filter", nargs="?")
    asyncio.run(everything(parser.parse_args()))


if __name__ == "__main__":
    main()
