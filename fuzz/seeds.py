#!/usr/bin/env python3
"""Writes the generated seeds of tests/corpora/: `fuzz/seeds.py`, from any directory.

Each seed is a few steps of a target's script (src/fuzzing/), so that a run of a minute starts where
random bytes would need hours to get. Findings of a run are added to the target's folder by hand.
"""

import gzip
import pathlib
import struct

HOME = pathlib.Path(__file__).resolve().parent.parent / "tests" / "corpora"


def seed(target, name, *parts):
    data = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    assert len(data) <= 2048, (target, name, len(data))
    folder = HOME / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def short(data):
    """Returns the bytes after their length in one byte."""
    data = data.encode() if isinstance(data, str) else data
    assert len(data) < 256
    return bytes([len(data)]) + data


def message(data=b"", flag=0):
    return bytes([flag]) + struct.pack(">I", len(data)) + data


# --- HTTP/2 ---------------------------------------------------------------------------------------

END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 0x20


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    literal = lambda text: bytes([len(text)]) + text.encode()
    return b"\0" + literal(name) + literal(value)


def head(path, method="POST", authority="localhost", content_type="application/grpc", **more):
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority)]
    fields += [("te", "trailers"), ("content-type", content_type)]
    fields += [(name.replace("_", "-"), value) for name, value in more.items()]
    return b"".join(field(name, value) for name, value in fields)


def settings(*pairs):
    return frame(4, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def call(stream, path, body=message(), end=True, **more):
    begin = frame(1, END_HEADERS, stream, head(path, **more))
    return begin + frame(0, END_STREAM if end else 0, stream, body)


GET, SUB = "/falco.outputs.service/get", "/falco.outputs.service/sub"
VERSION = "/falco.version.service/version"
WATCH = "/falconer.v1.EventService/Watch"
CHECK = "/grpc.health.v1.Health/Check"
HEALTH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

# The beginning of a script: how, read size, (room), cuts.
PLAIN = bytes([0, 0, 0])
STUTTER, UNREAD, REFLECTION, GREETED, STAYS = 1, 2, 4, 8, 16


def raw(name, *parts, how=0, size=0, room=None, cuts=()):
    start = bytes([how | (UNREAD if room is not None else 0), size])
    if room is not None:
        start += struct.pack(">H", room)
    start += bytes([len(cuts)]) + b"".join(bytes(cut) for cut in cuts)
    seed("h2_server_raw", name, start, *parts)


HELLO = settings()
SECOND, ALERT = 2 | 1 << 2, 3 | 2 << 2

raw("nothing")
raw("silent", how=STAYS)
raw("settings_alone", HELLO, how=STAYS)
raw("get", HELLO, call(1, GET))
raw("get_byte_by_byte", HELLO, call(1, GET), how=STUTTER, size=1)
raw("sub_with_alerts", call(1, SUB, end=False), frame(0, 0, 1, message()), how=GREETED | STAYS,
    cuts=[(100, ALERT), (100, ALERT), (0, SECOND), (0, ALERT)])
raw("sub_unread", call(1, SUB, end=False), how=GREETED | STAYS, room=100, cuts=[(255, ALERT), (0, 3 | 63 << 2)])
raw("sub_and_reset", HELLO, call(1, SUB, end=False), frame(3, 0, 1, struct.pack(">I", 8)))
raw("version_status_health", HELLO, call(1, VERSION), call(3, "/falconer.v1.EventService/Status"), call(5, CHECK))
raw("health_watch", HELLO, call(1, HEALTH), how=STAYS)
raw("watch_follow", call(1, WATCH, message(b"\x30\x01")), how=GREETED, cuts=[(255, ALERT)])
raw("reflection", HELLO, call(1, REFLECT, message(b"\x3a\x00"), end=False), how=REFLECTION)
raw("unix_authority", HELLO, call(1, GET, authority="tmp%2Ffalco.sock"))
raw("padded", HELLO, frame(1, END_HEADERS | PADDED | PRIORITY, 1, b"\3" + b"\0\0\0\0\x10" + head(GET) + b"\0" * 3),
    frame(0, END_STREAM | PADDED, 1, b"\2" + message() + b"\0\0"))
HEAD = head(SUB)
raw("continuation", HELLO, frame(1, 0, 1, HEAD[:20]), frame(9, 0, 1, HEAD[20:50]), frame(9, END_HEADERS, 1, HEAD[50:]),
    frame(0, 0, 1, message()))
raw("continuation_of_another", HELLO, frame(1, 0, 1, HEAD[:20]), frame(9, END_HEADERS, 3, HEAD[20:]))
raw("small_windows", settings((4, 3), (5, 1 << 15)), call(1, GET), frame(8, 0, 1, struct.pack(">I", 50)),
    frame(8, 0, 0, struct.pack(">I", 50)), how=STAYS)
raw("window_overflow", HELLO, call(1, SUB, end=False), frame(8, 0, 1, struct.pack(">I", 2**31 - 1)))
raw("pings", HELLO, frame(6, 0, 0, b"12345678"), frame(6, ACK, 0, b"87654321"), frame(6, 0, 0, b"short"))
raw("goaway", HELLO, call(1, SUB, end=False), frame(7, 0, 0, struct.pack(">II", 1, 0)))
raw("even_stream", HELLO, call(2, GET))
raw("stream_backwards", HELLO, call(5, GET), call(3, GET))
raw("data_on_skipped_stream", HELLO, call(5, GET), frame(0, 0, 1, message()))
raw("huge_frame", HELLO, b"\xff\xff\xff" + bytes([0, 0, 0, 0, 0, 1]))
raw("bad_hpack", HELLO, frame(1, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff"))
raw("table_size", HELLO, frame(1, END_HEADERS, 1, b"\x3f\xe1\x1f" + HEAD), settings((1, 0), (1, 4096)))
raw("timeout", HELLO, call(1, SUB, end=False, grpc_timeout="1S"), how=STAYS, cuts=[(250, SECOND)])
raw("too_large", HELLO, call(1, SUB, b"\0\xff\xff\xff\xff", end=False))
raw("compressed", HELLO, call(1, VERSION, message(gzip.compress(b"", mtime=0), 1), grpc_encoding="gzip"))
raw("push_promise_priority_unknown", HELLO, frame(2, 0, 1, b"\0\0\0\0\1"), frame(0x20, 0, 0, b"x"), frame(5, 4, 1, b"\0\0\0\2"))
raw("not_grpc", HELLO, call(1, "/", method="GET", content_type="text/html"), call(3, "*", method="OPTIONS"))

# --- A client that keeps to HTTP/2's rules --------------------------------------------------------

NOW = 0x80
BEGIN, WHOLE, BYTES, LONG, FINISH, RESET, GIVE, WINDOW, PINGS, WAIT, ALERTS = 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11


def step(what, *numbers, now=True):
    """Returns a step. With `now`, its number has the same value modulo 12, and is sent at once."""
    if now:
        what = next(byte for byte in range(0x80, 0x100) if byte % 12 == what)
    return bytes([what, *numbers])


def begin(method, head=0, *more, now=True):
    return step(BEGIN, method, head, *more, now=now)


def wide(number):
    return divmod(number, 256)


M_VERSION, M_GET, M_SUB, M_STATUS, M_UNKNOWN, M_OLD, M_CHECK = 0, 1, 2, 5, 6, 7, 8
ASKS = step(WHOLE, 0, 1, now=False) + step(FINISH, 0)


def structured(name, *parts, alerts=5):
    seed("h2_structured", name, bytes([alerts]), *parts)


structured("version", begin(M_VERSION), ASKS)
structured("get", begin(M_GET), ASKS)
structured("get_nothing", begin(M_GET), ASKS, alerts=0)
structured("get_last", begin(M_GET, 10, 3), ASKS)
structured("get_twice", begin(M_GET), ASKS, begin(M_GET), step(WHOLE, 1, 1), step(FINISH, 1))
structured("sub", begin(M_SUB), step(WHOLE, 0, 1), step(ALERTS, 3, 0), step(WHOLE, 0, 7), step(ALERTS, 60, 255))
structured("sub_half_closed", begin(M_SUB), ASKS, step(ALERTS, 3, 0))
structured("sub_small_windows", step(WINDOW, *wide(10)), begin(M_SUB), step(ALERTS, 40, 20), step(GIVE, 0x40, *wide(99)),
           step(GIVE, 0x40, *wide(1000)), step(WINDOW, *wide(0)), step(GIVE, 0x40, *wide(5)), step(WINDOW, *wide(3000)))
structured("sub_and_reset", begin(M_SUB), step(ALERTS, 9, 9), step(RESET, 0), step(ALERTS, 9, 9))
structured("two_subs", begin(M_SUB), begin(M_SUB + 1), step(ALERTS, 20, 30), step(RESET, 0), step(ALERTS, 20, 30))
structured("sub_broken", begin(M_SUB), step(BYTES, 0, 2, 0, 0), step(FINISH, 0))
structured("sub_flag", begin(M_SUB), step(BYTES, 0, 5, 7, 0, 0, 0, 0))
structured("sub_too_large", begin(M_SUB), step(BYTES, 0, 5, 0, 1, 0, 0, 0))
structured("sub_timeout", begin(M_SUB, 5), step(WAIT, *wide(900)), step(ALERTS, 1, 0), step(WAIT, *wide(2000)))
for number, name in enumerate(["", "proto", "not_post", "not_grpc", "json", "timeout", "no_time", "bad_timeout", "gzip", "unheard"]):
    if number:
        structured("head_" + name, begin(M_GET, number), ASKS, begin(M_STATUS, number), step(WHOLE, 1, 1), step(FINISH, 1))
structured("head_unknown", begin(M_GET, 11), ASKS, begin(M_SUB, 11))
structured("unknown_methods", begin(M_UNKNOWN), begin(M_OLD), begin(M_CHECK), step(WHOLE, 2, 1), step(FINISH, 2))
structured("two_messages", begin(M_VERSION), step(WHOLE, 0, 2), step(FINISH, 0))
structured("no_message", begin(M_VERSION), step(FINISH, 0))
structured("never_finished", begin(M_GET), step(WHOLE, 0, 1), step(WAIT, *wide(12000)), step(FINISH, 0))
structured("long_messages", begin(M_STATUS), step(LONG, 0, 0, *wide(4000), 255), step(FINISH, 0),
           begin(M_SUB), *[step(LONG, 1, 4, *wide(60000), 255) for _ in range(6)])
structured("pings_and_waiting", begin(M_SUB), step(PINGS, 1), step(WAIT, *wide(14000)), step(WAIT, *wide(14000)),
           step(WAIT, *wide(14000)), step(PINGS, 2), step(ALERTS, 1, 0))
structured("many_at_once", *[begin(M_SUB, now=False) for _ in range(10)], step(ALERTS, 60, 100),
           *[step(RESET, n, now=False) for n in range(5)])

# --- Framing, metering ----------------------------------------------------------------------------


def decode(name, body, limit=100, encoding=0, cuts=b"\3\4"):
    seed("grpc_frame_decode", name, struct.pack(">HB", limit, encoding), short(cuts), body)


SMALL = gzip.compress(b"small", mtime=0)
decode("two_messages", message(b"one") + message(b"two"))
decode("nothing", b"")
decode("prefix_alone", b"\0\0\0\0\x0a")
decode("cut_prefix", b"\0\0\0")
decode("cut_message", message(b"whole")[:-1])
decode("flag", message(b"x", 2))
decode("not_negotiated", message(SMALL, 1))
decode("gzip", message(SMALL, 1) + message(b"plain"), encoding=1)
decode("gzip_corrupt", message(b"\x1f\x8bno", 1), encoding=1)
decode("gzip_long", message(gzip.compress(b"0" * 5000, mtime=0), 1), encoding=1)
decode("too_large", message(b"0" * 101))
decode("too_large_at_once", b"\0\xff\xff\xff\xff")

for name, kind, count, payload in [("resets", 3, 6, b"\0\0\0\x08"), ("pings", 6, 3, b"12345678"), ("settings", 4, 2, b""),
                                   ("priorities", 2, 21, b"\0\0\0\0\1"), ("windows", 8, 21, b"\0\0\0\1"),
                                   ("empty", 0, 3, b""), ("unknown", 0x20, 3, b"x"), ("calls", 1, 3, b"\x82"),
                                   ("continuations", 9, 3, b"")]:
    seed("frame_meter", name, short(bytes([1, 9, 8, 200])), frame(kind, 0, 1, payload) * count)
seed("frame_meter", "cut_head", short(b"\5"), frame(6, 0, 0, b"12345678")[:7])

# --- Heads ----------------------------------------------------------------------------------------

for name, value in [("hours", "99999999H"), ("zero", "0m"), ("sign", "+5S"), ("long", "123456789S"), ("none", ""),
                    ("unit", "1s"), ("space", " 1S"), ("nanos", "00000001n")]:
    seed("grpc_timeout", name, value)

for name, value in [("plain", "not found"), ("lines", "a\r\nset-cookie: b\0\x7f"), ("percent", "100%25 %"), ("wide", "日本 🦅"),
                    ("long", "x" * 1023 + "é"), ("longer", "é" * 600), ("no_text", b"\xff\xfe"), ("none", "")]:
    seed("grpc_message", name, value)

POST, OURS = 0, 0


def request(name, method, path, *headers):
    method = bytes([method]) if isinstance(method, int) else bytes([10]) + short(method)
    path = bytes([path]) if isinstance(path, int) else bytes([11]) + short(path)
    pairs = b"".join(bytes([which]) + (bytes([7]) + short(value) if isinstance(value, str) else bytes([value])) for which, value in headers)
    seed("request_head", name, method, path, bytes([len(headers)]), pairs)


TYPE, TIME, ENCODED = 0, 4, 5
request("ours", POST, OURS, (TYPE, 0))
request("mounted", POST, 4, (TYPE, 3))
request("mounted_get", 6, 4, (TYPE, 0))
request("mounted_image", POST, 4, (TYPE, "image/jpeg"))
request("no_type", POST, OURS)
request("web", POST, OURS, (TYPE, "application/grpc-web"))
request("json", POST, OURS, (TYPE, "application/grpc+json"))
request("capitals", POST, OURS, (TYPE, "Application/gRPC ; x"))
request("two_types", POST, OURS, (TYPE, "text/plain"), (TYPE, 0))
request("connect", 8, "a.B:80", (TYPE, 0))
request("slash", POST, "/a.B/C/", (TYPE, 0))
request("case", POST, "/a.b/C", (TYPE, 0))
request("encoded_path", POST, "/a%2EB/C", (TYPE, 0))
request("query", POST, 6, (TYPE, 0))
request("star", POST, 7, (TYPE, 0))
request("no_time", POST, OURS, (TYPE, 0), (TIME, 5))
request("bad_time", POST, OURS, (TYPE, 0), (TIME, "1"))
request("gzip", POST, OURS, (TYPE, 0), (ENCODED, 4))
request("snappy", POST, OURS, (TYPE, 0), (ENCODED, "snappy"))
request("own_method", "POSt", OURS, (TYPE, 0))

# --- Reflection -----------------------------------------------------------------------------------


def reflect(name, *asks, version=0):
    seed("reflection_stream", name, bytes([version]), *asks)


reflect("list", bytes([7, 7]))
reflect("alpha", bytes([7, 7, 4, 0]), version=1)
reflect("every_kind", *[bytes([kind, known]) for kind in range(2, 8) for known in range(0, 8, 2)])
reflect("file", bytes([3, 3, 3, 4]))
reflect("symbol", bytes([4, 0, 4, 2, 4, 5]))
reflect("unknown", bytes([4, 0xFF]) + short("no.such"), bytes([3, 0xFF]) + short("../etc/passwd"))
reflect("not_a_message", bytes([1]) + short(b"\xff\xff"))
reflect("not_a_frame", bytes([0]) + short(b"\5"))
reflect("nothing", b"")
reflect("many", bytes([7, 7]) * 200)

# --- TLS files ------------------------------------------------------------------------------------

REAL, MADE, BOTH, EDITED, WORD = 0, 2, 3, 4, 8


def pem(name, key=b"\0", chain=b"\0", roots=b"\0", lists=b"", how=2):
    seed("pem_load", name, bytes([how | (1 if lists else 0)]), key, chain, roots, lists)


def made(text, how=MADE):
    return bytes([how]) + short(text)


pem("real")
pem("empty", key=made(""), chain=made(""), roots=made(""))
pem("no_key", key=made("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
pem("no_end", key=made("-----BEGIN PRIVATE KEY-----\nAAAA\n"))
pem("not_base64", chain=made("-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n"))
pem("encrypted", key=made("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
pem("request", chain=made("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"))
pem("der", key=made(b"\x30\x03\x02\x01\x00"), chain=made(b"\x30\x03\x02\x01\x00"))
pem("der_chain", chain=made(b"\x30\x03\x02\x01\x00"), lists=made(b"\x30\x00"))
pem("no_list", lists=made("nothing"))
pem("broken_list", lists=made("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
for place in (0, 5, 24, 27, 100):
    pem(f"word_in_key_{place}", key=bytes([REAL | WORD]) + struct.pack(">H", place))
    pem(f"word_in_chain_{place}", chain=bytes([REAL | WORD]) + struct.pack(">H", place))
pem("word_behind", key=bytes([REAL | WORD, 0xFF, 0xFF]), roots=bytes([REAL | WORD, 0, 30]))
pem("edited_chain", chain=bytes([REAL | EDITED]) + short(struct.pack(">HB", 100, 0x41)))
pem("edited_roots", roots=bytes([REAL | EDITED]) + short(struct.pack(">HB", 150, 0x42)))
pem("more_roots", roots=made("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", BOTH), how=0)

# --- The gateway ----------------------------------------------------------------------------------

HOSTS, FOREIGN, NAMED = 0, 4, 3
HEADER = {"host": 0, "origin": 2, "site": 3, "authorization": 4, "accept": 5, "last-event-id": 6, "ask": 7, "ask-headers": 8, "encoding": 9}
PATH = {"/": 0, "events": 1, "one": 2, "stream": 3, "histogram": 4, "facets": 5, "rules": 6, "export": 7, "status": 8, "openapi": 9,
        "metrics": 10, "livez": 11, "readyz": 12, "": 13}
FETCH, SEND, ASK, HEAD_OR_SO = 0, 3, 5, 6


def gateway(name, method, path, *headers, more="", token=0, body=b"\0"):
    pairs = b"".join(bytes([HEADER[which]]) + (bytes([value]) if isinstance(value, int) else bytes([23]) + short(value)) for which, value in headers)
    seed("gateway_request", name, bytes([token, method]), bytes([PATH[path]]) + short(more), bytes([len(headers)]), pairs, body)


LOCAL = ("host", 0)
for path in PATH:
    if path:
        gateway("get_" + path.strip("/"), FETCH, path, LOCAL)
gateway("post", SEND, "/", LOCAL)
gateway("post_foreign_host", SEND, "/", ("host", FOREIGN))
gateway("post_cross_site", SEND, "events", LOCAL, ("site", 8))
gateway("post_same_site", SEND, "events", LOCAL, ("site", 9), ("origin", 5))
gateway("post_foreign_origin", SEND, "/", LOCAL, ("origin", 6))
gateway("post_null_origin", SEND, "/", LOCAL, ("origin", 7))
gateway("post_gzip", SEND, "/", LOCAL, ("encoding", 14), body=b"\1" + gzip.compress(b"{}", mtime=0))
gateway("get_named_origin", FETCH, "events", LOCAL, ("origin", 5))
gateway("get_foreign_origin", FETCH, "events", LOCAL, ("origin", 6))
gateway("preflight", ASK, "events", LOCAL, ("origin", 5), ("ask", 15))
gateway("preflight_foreign", ASK, "events", LOCAL, ("origin", 6), ("ask", 15))
gateway("preflight_foreign_host", ASK, "events", ("host", FOREIGN), ("origin", 5), ("ask", 15))
gateway("two_hosts", FETCH, "events", LOCAL, ("host", NAMED))
gateway("rebinding", FETCH, "status", ("host", "localhost.evil.example:2804"))
gateway("no_host", FETCH, "/")
gateway("token", FETCH, "events", LOCAL, ("authorization", 12), token=1)
gateway("no_token", FETCH, "events", LOCAL, token=1)
gateway("query", FETCH, "events", LOCAL, more="?filter=priority%20%3E%3D%20error&limit=2&order=asc&format=protojson")
gateway("bad_query", FETCH, "facets", LOCAL, more="?field=%ff&since=x&since=y")
gateway("bad_cursor", FETCH, "one", LOCAL, more="%ff")
gateway("resume", FETCH, "stream", LOCAL, ("last-event-id", 18), ("accept", 13), more="?batch=1")
gateway("absolute", FETCH, "", LOCAL, more="http://evil.example/api/v1/events")
gateway("put", HEAD_OR_SO, "/", LOCAL)


def alert(rule="r", **more):
    import json
    return json.dumps({"rule": rule, "priority": "Error", "time": "2026-01-30T10:00:00Z", **more})


def sse(name, *bodies, how=0):
    *first, last = bodies
    seed("sse_encode", name, bytes([how, max(len(first) - 1, 0)]), *(map(short, first) if first else [short(b"")]), last)


for how, name in enumerate(["events", "batches", "lines", "envelopes"]):
    sse("two_" + name, alert(), alert("s", output="a\nb\u2028c"), how=how)
    sse("pretty_" + name, '{\r\n "rule": "r",\n\n "priority": "Error",\r "time": "2026-01-30T10:00:00Z"\n}', how=how)
    sse("many_" + name, "\n".join(alert(str(n)) for n in range(20)), how=how)
sse("looks_like_sse", alert("data: x\n\nevent: bye\nid: 1"))
sse("numbers", alert(output_fields={"a": 1e400 if False else 12345678901234567890, "b": 0.1, "c": None}))
sse("not_alerts", "hello\n{}\n[1]\n" + alert())
sse("nothing", "")

# --- Text that Falco and people write ---------------------------------------------------------------

DATA = HOME.parent / "data"

for number, line in enumerate((DATA / "falco-example-lines.jsonl").read_text().splitlines()):
    seed("falco_line", f"example_{number:02}", line)
seed("falco_line", "text", "10:00:00.000000001: Notice A shell (user=root)")
seed("falco_line", "text_with_json", '10:00:00.000000001: Error {"rule":"r"}')
seed("falco_line", "pretty", '{\r\n\t"rule": "r",\n "priority": "Error",\n "time": "2026-01-30T10:00:00Z"\n}\n')
seed("falco_line", "not_utf8", b'{"rule":"\xff\xc3(","priority":"Error","time":"2026-01-30T10:00:00Z"}')
seed("falco_line", "surrogates", alert("\ud800x", output="\ud83d\ude00"))
seed("falco_line", "numbers", '{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","output_fields":'
     '{"a":1e308,"b":-0,"c":0.05,"d":18446744073709551616,"e":1E+2,"f":[1.25,[2],{"x":null}]}}')
seed("falco_line", "twice", '{"rule":"a","priority":"Error","output_fields":{"x":1},"rule":"b","tags":["b","a","b"],'
     '"time":"2026-01-30T10:00:00Z","output_fields":{"x":2,"x":3}}')
seed("falco_line", "deep", '{"rule":' + "[" * 500 + "]" * 500 + "}")
seed("falco_line", "early", alert(time="0001-01-01T00:00:00Z"))
seed("falco_line", "offset", alert(time="2026-01-30T10:00:00.123456789+05:30"))
seed("falco_line", "long_list", alert()[:-1], ', "output_fields": {"l": [', ",".join(['"' + "\u00e9" * 20 + '"'] * 30), "]}}")
seed("falco_line", "cut", alert()[:-5])
seed("falco_line", "not_an_alert", "Fri Jan 30 10:00:00 2026: Falco version: 0.43.0 (x86_64)")

for name, text in {
    "priority": "priority >= error",
    "labels": 'rule startswith "Terminal" and source = syscall and not tags intersects (a, b)',
    "fields": "proc.name in (sh, bash) and fd.port != 22 and evt.type exists",
    "nested": "not (((a = 1) or not b.c = 2) and (d contains x or e glob '*.y'))",
    "regex": 'output regex "^(a|b)+[0-9]{1,3}$"',
    "strings": "a = \"b\\\"c\" and d = 'e\\'f' and g = h\\,i",
    "numbers": "a > -1.5 and b <= 1e3 and c = 0x10",
    "paths": "fd.name pmatch (/etc, /var/log) and a[b] = c",
    "unclosed": "(a = 1 and (b = 2",
    "no_operand": "a = and b",
    "mistyped": "prority = error and a contians b",
    "deep": "(" * 200 + "a = 1" + ")" * 200,
    "many": " or ".join(f"a.b{number} = {number}" for number in range(100)),
    "not_ascii": "a = \u00fc and \u2028b = \U0001f600",
}.items():
    seed("filter", name, text)

for name, text in {
    "falco": "grpc:\n  enabled: true\n  bind_address: \"unix:///run/falco/falco.sock\"\n  threadiness: 0\n"
             "grpc_output:\n  enabled: true\njson_output: true\n",
    "tls": "grpc:\n  enabled: true\n  bind_address: \"0.0.0.0:5060\"\n  private_key: /k\n  cert_chain: /c\n"
           "  root_certs: /r\n",
    "falconer": "falconer:\n  outputs: {retain: 64MiB, delivery: fan_out}\n  inputs:\n    stdin: true\n    files: [/a, /b]\n"
                "    command: [falco, -U]\n  gateway:\n    enabled: true\n    listen: 127.0.0.1:2804\n"
                "    allowed_origins: ['https://a.example']\n    tls: {private_key: /k, cert_chain: /c}\n",
    "mistakes": "grpc: [1]\nfalconer: {outputs: {retian: 1, retain: lots}, gateway: null}\n? {a: b}\n: c\n",
    "includes": "config_files: [/etc/falco/config.d, a.yaml]\ngrpc: {enabled: ${ENABLED}}\nx: ${A}${B\n",
    "anchors": "a: &a [1, &b 2, *b]\nb: *a\nc: {<<: {d: 1}}\n",
    "documents": "grpc: {enabled: true}\n---\ngrpc: {enabled: false}\n...\n",
    "unclosed": "grpc: {enabled: 'true\n",
    "tabs": "grpc:\n\tenabled: true\n",
    "nothing": "",
}.items():
    seed("config_text", name, text)

# --- Envelopes ------------------------------------------------------------------------------------

ALERT = '{"output":"x","priority":"Error","rule":"r","time":"2026-01-30T10:00:00Z"}'
QUOTED = ALERT.replace('"', '\\"')
STAMP = "2026-01-30T10:00:00Z"
for name, text in {
    "cri": f"{STAMP} stdout P {ALERT[:20]}\n{STAMP} stderr P {ALERT[:9]}\n{STAMP} stdout F {ALERT[20:]}\n{STAMP} stderr F {ALERT[9:]}",
    "docker": f'{{"log":"{QUOTED}\\n","stream":"stdout","time":"{STAMP}"}}',
    "kubectl": f"[pod/falco-1/falco] {STAMP} {ALERT}",
    "compose": f"falco.1.x@node    | {ALERT}",
    "fluentd": f"{STAMP}\tfalco\t{{\"log\":\"{QUOTED}\"}}\n2026-01-30 10:00:00.0 +0000 falco: {ALERT}",
    "syslog": f"<14>Jan 30 10:00:00 a falco[7]: {ALERT}\nFri 2026-01-30 10:00:00 UTC a falco[7]: {ALERT}\n1769767200.1 a falco[7]: {ALERT}",
    "rfc5424": f'<14>1 {STAMP} a falco 7 - [b c="\\"]\\\\"][d] \ufeff{ALERT}',
    "journal": f'{{"__REALTIME_TIMESTAMP":"1769767200123456","_HOSTNAME":"a","MESSAGE":{list(ALERT.encode())}}}',
    "journal_cut": f'{{"_STREAM_ID":"a","_HOSTNAME":"a","_LINE_BREAK":"line-max","MESSAGE":"{QUOTED[:11]}"}}\n{{"_STREAM_ID":"a","_HOSTNAME":"a","MESSAGE":"{QUOTED[11:]}"}}',
    "filebeat": f'{{"@timestamp":"{STAMP}","message":"{QUOTED}","log":{{"offset":0}},"host":{{"name":"a"}}}}',
    "kubernetes": f'{{"date":1.5,"logtag":"F","log":"{QUOTED}","kubernetes":{{"host":"a","node":{{"name":"b"}}}}}}',
    "cloudevent": f'{{"specversion":"1.0","time":"{STAMP}","data":{ALERT}}}',
    "nested": '{"log":' * 5 + ALERT + "}" * 5,
    "layers_cut": bytes([2, 6, 1, 5, 9]) + ALERT.encode(),
    "layers_octets": bytes([7, 5, 11, 2, 0]) + ALERT.encode(),
    "layers_docker": bytes([2, 12, 8, 2, 0]) + ALERT.encode(),
    "layers_event": bytes([9, 3, 4, 2, 0]) + ALERT.encode(),
}.items():
    seed("envelope", name, text)

# --- :authority and certificates --------------------------------------------------------------------

for name, authority in {
    "unix": "tmp%2Ffalco.sock", "path": "/tmp/falco.sock", "host": "localhost:5060", "six": "[::1]:5060",
    "user": "a@b", "empty": "", "brackets": "a[b]", "octets": "\x7f\x01",
}.items():
    seed("authority_repair", name, HELLO, call(1, GET, authority=authority), call(3, GET, authority=authority))
HUFFMAN = b"\x41\x8b" + bytes.fromhex("49509f3a0b6a5f3f5fffff")
seed("authority_repair", "huffman", HELLO, frame(1, END_HEADERS | END_STREAM, 1, b"\x83\x86\x84" + HUFFMAN))
seed("authority_repair", "indexed", HELLO, frame(1, END_HEADERS | END_STREAM, 1, b"\x83\x41\x03/a/\xbe\xbe"))
seed("authority_repair", "cut", HELLO, frame(1, 0, 1, HEAD[:45]), frame(9, 0, 1, HEAD[45:46]), frame(9, END_HEADERS, 1, HEAD[46:]))
seed("authority_repair", "padded", HELLO, frame(1, END_HEADERS | PADDED | PRIORITY, 1, b"\3" + b"\0\0\0\0\x10" + HEAD + b"\0" * 3))
seed("authority_repair", "table", HELLO, frame(1, END_HEADERS, 1, b"\x20\x3f\xe1\x1f" + HEAD))
# For the encoder's script: two fields named :authority, the second one by its index.
seed("authority_repair", "script", bytes([0, 1, 0x01, 9]), "tmp/a.soc", bytes([0x00, 0, 0, 0]), bytes([0, 0, 0x41, 200]), "/" * 200)

seed("legacy_certificate", "right", short(b""))
seed("legacy_certificate", "other_key", short(bytes([0, 120, 1])))
seed("legacy_certificate", "other_signature", short(bytes([1, 4, 0x80, 0, 250, 1])))
seed("legacy_certificate", "other_name", short(bytes([0, 80, 0x20])))
seed("legacy_certificate", "no_der", short(bytes([0, 0, 1])), b"\x30\x82\xff\xff\x30\x80\0\0")
