"""gRPC's interoperability tests with grpcio: the fourteen cases that need no credentials.

    interop.py ENDPOINT [CERTS]

ENDPOINT is unix:///path or host:port. CERTS is a folder with ca.crt, client.crt and client.key, for
mutual TLS. It prints a line for each case. The exit code is 1 if one failed.

The cases are those of grpc/grpc doc/interop-test-descriptions.md. The program encodes and decodes
messages itself (`field`, `fields`), so that it needs only grpcio.
"""

import pathlib
import sys
import threading
import traceback

import grpc

SERVICE = "/grpc.testing.TestService/"
PATIENCE = 20


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """Encodes a field of a message: a number, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(message):
    """Decodes a message: the last value of each field number."""
    found, at = {}, 0

    def read():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        key = read()
        value = read()
        if key & 7 == 2:
            value, at = message[at : at + value], at + value
        found[key >> 3] = value
    return found


def payload(size):
    return field(2, bytes(size))


def size_of_payload(reply):
    return len(fields(fields(reply)[1]).get(2, b""))


def simple_request(response_size, size):
    return field(2, response_size) + field(3, payload(size))


def parameters(size, interval_us=0):
    return field(2, field(1, size) + field(2, interval_us))


def status(code, message):
    return field(7, field(1, code) + field(2, message.encode()))


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error
    raise AssertionError(f"the call succeeded, but must fail with {code}")


class Interop:
    def __init__(self, channel):
        self.channel = channel

    def method(self, shape, name):
        return getattr(self.channel, shape)(name if name.startswith("/") else SERVICE + name)

    def empty_unary(self):
        assert self.method("unary_unary", "EmptyCall")(b"", timeout=PATIENCE) == b""

    def large_unary(self):
        call = self.method("unary_unary", "UnaryCall")
        assert size_of_payload(call(simple_request(314159, 271828), timeout=PATIENCE)) == 314159

    def client_streaming(self):
        call = self.method("stream_unary", "StreamingInputCall")
        sizes = [27182, 8, 1828, 45904]
        reply = call(iter([field(1, payload(size)) for size in sizes]), timeout=PATIENCE)
        assert fields(reply)[1] == sum(sizes)

    def server_streaming(self):
        call = self.method("unary_stream", "StreamingOutputCall")
        sizes = [31415, 9, 2653, 58979]
        replies = call(b"".join(map(parameters, sizes)), timeout=PATIENCE)
        assert [size_of_payload(reply) for reply in replies] == sizes

    def ping_pong(self):
        turns = [(31415, 27182), (9, 8), (2653, 1828), (58979, 45904)]
        turn, more = threading.Event(), iter(turns)

        def requests():
            for response_size, size in more:
                yield parameters(response_size) + field(3, payload(size))
                assert turn.wait(PATIENCE)
                turn.clear()

        call = self.method("stream_stream", "FullDuplexCall")(requests(), timeout=PATIENCE)
        received = []
        for reply in call:
            received.append(size_of_payload(reply))
            turn.set()
        assert received == [response_size for response_size, _ in turns]

    def empty_stream(self):
        call = self.method("stream_stream", "FullDuplexCall")
        assert list(call(iter([]), timeout=PATIENCE)) == []

    def timeout_on_sleeping_server(self):
        call = self.method("stream_stream", "FullDuplexCall")
        request = parameters(1, 1_000_000) + field(3, payload(27182))
        fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(call(iter([request]), timeout=0.05)))

    def cancel_after_begin(self):
        quiet = threading.Event()

        def requests():
            quiet.wait(PATIENCE)
            yield from ()

        call = self.method("stream_unary", "StreamingInputCall").future(requests())
        call.cancel()
        quiet.set()
        assert call.cancelled() and call.code() == grpc.StatusCode.CANCELLED

    def cancel_after_first_response(self):
        quiet = threading.Event()

        def requests():
            yield parameters(31415) + field(3, payload(27182))
            quiet.wait(PATIENCE)

        call = self.method("stream_stream", "FullDuplexCall")(requests(), timeout=PATIENCE)
        assert size_of_payload(next(call)) == 31415
        call.cancel()
        quiet.set()
        fails(grpc.StatusCode.CANCELLED, lambda: next(call))

    def status_code_and_message(self):
        self.ends_with("test status message")

    def special_status_message(self):
        self.ends_with("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")

    def ends_with(self, message):
        unary = self.method("unary_unary", "UnaryCall")
        duplex = self.method("stream_stream", "FullDuplexCall")
        for call in [
            lambda: unary(status(2, message), timeout=PATIENCE),
            lambda: list(duplex(iter([status(2, message)]), timeout=PATIENCE)),
        ]:
            assert fails(grpc.StatusCode.UNKNOWN, call).details() == message

    def custom_metadata(self):
        sent = [
            ("x-grpc-test-echo-initial", "test_initial_metadata_value"),
            ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"),
        ]

        def echoed(call):
            assert dict(call.initial_metadata())[sent[0][0]] == sent[0][1]
            assert dict(call.trailing_metadata())[sent[1][0]] == sent[1][1]

        unary = self.method("unary_unary", "UnaryCall")
        echoed(unary.with_call(simple_request(314159, 271828), metadata=sent, timeout=PATIENCE)[1])
        duplex = self.method("stream_stream", "FullDuplexCall")
        request = parameters(314159) + field(3, payload(271828))
        call = duplex(iter([request]), metadata=sent, timeout=PATIENCE)
        assert [size_of_payload(reply) for reply in call] == [314159]
        echoed(call)

    def unimplemented_method(self):
        self.unimplemented("UnimplementedCall")

    def unimplemented_service(self):
        self.unimplemented("/grpc.testing.UnimplementedService/UnimplementedCall")

    def unimplemented(self, name):
        call = self.method("unary_unary", name)
        fails(grpc.StatusCode.UNIMPLEMENTED, lambda: call(b"", timeout=PATIENCE))


CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
]


def connect(endpoint, certs=None):
    if certs is None:
        return grpc.insecure_channel(endpoint)
    read = lambda name: (pathlib.Path(certs) / name).read_bytes()
    credentials = grpc.ssl_channel_credentials(
        read("ca.crt"), read("client.key"), read("client.crt")
    )
    return grpc.secure_channel(endpoint, credentials)


def main():
    failed = 0
    with connect(*sys.argv[1:]) as channel:
        for case in CASES:
            try:
                getattr(Interop(channel), case)()
                print(f"passed {case}", flush=True)
            except Exception:
                failed += 1
                print(f"failed {case}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)


main()
