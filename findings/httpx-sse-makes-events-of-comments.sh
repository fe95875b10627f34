#!/usr/bin/env bash
# A heartbeat in the form most servers send it, a comment and an empty line (`: ping`), is no event:
# by the HTML standard a block without data is not handed on.
#
# httpx-sse 0.4.3 hands on an empty `message` for each, but only once the stream has had an id: an
# empty line ends an event when any of name, data, id or retry is there, and the id stays from the
# event before (SSEDecoder.decode in _decoders.py). Without ids nothing comes; a comment whose line no
# empty line follows is safe always.
#
# It matters here because every alert has an id, so that json.loads(event.data) in a program's loop
# fails 15 s after the first alert. Our heartbeat is a comment's line and no more.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    httpx==0.28.1 httpx-sse==0.4.3

"$dir/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import httpx
from httpx_sse import EventSource


def handed_on(text):
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=text)
    return [(event.event, event.data) for event in EventSource(response).iter_sse()]


print("httpx-sse", version("httpx-sse"))
first = ("message", "first")
for text, expected in [
    ("data: first\n\n: ping\n\n: ping\n\n", [first]),
    ("id: 1\ndata: first\n\n: ping\n\n: ping\n\n", [first, ("message", ""), ("message", "")]),
    ("id: 1\ndata: first\n\n: ping\n: ping\n", [first]),
]:
    found = handed_on(text)
    print(repr(text), "->", found)
    assert found == expected, f"this is not what was found: {expected}"
PYTHON
