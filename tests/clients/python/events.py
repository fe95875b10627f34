"""Reads a stream of server-sent events with a library of PyPI, as long as the library does.

    python events.py LIBRARY URL

It prints one JSON object a line for each event of the library: the event's name (empty if it has
none) and its data. If a library needs help to reconnect after the end of an answer, the program
does exactly what the library's documentation says.
"""

import json
import sys
import time


def say(event, data):
    name = "" if event in (None, "message") else event
    print(json.dumps({"event": name, "data": data}), flush=True)


def requests_sse(url):
    from requests_sse import EventSource

    with EventSource(url) as source:
        for event in source:
            say(event.type, event.data)


def httpx_sse(url):
    import httpx
    from httpx_sse import connect_sse

    last_event_id, wait = "", 0.0
    # By default httpx closes a stream that is silent for 5 s.
    with httpx.Client(timeout=None) as client:
        while True:
            headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    for event in source.iter_sse():
                        last_event_id = event.id
                        if event.retry is not None:
                            wait = event.retry / 1000
                        say(event.event, event.data)
            except httpx.TransportError:
                pass
            time.sleep(wait)


LIBRARIES = {"requests-sse": requests_sse, "httpx-sse": httpx_sse}

if __name__ == "__main__":
    LIBRARIES[sys.argv[1]](sys.argv[2])
