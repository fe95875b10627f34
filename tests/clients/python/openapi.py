"""A client that openapi-python-client generated from the API's description. It posts an alert, then
reads the alert, a page and facets. The argument is the server's address. It prints the answers as
JSON.

The test generates the package `client` from the server's description.
"""

import json
import sys

import httpx
from client import Client
from client.api.alerts import one, page, take
from client.api.numbers import facets, status
from client.models import Alert, Facets, Item, Items, PageOrder, Status


def main():
    client = Client(
        base_url=sys.argv[1], timeout=httpx.Timeout(60), raise_on_unexpected_status=True
    )
    alert = Alert.from_dict(
        {
            "rule": "Terminal shell in container",
            "priority": "Notice",
            "time": "2026-01-30T10:00:00.123456789Z",
            "output": 'A shell, "quoted"',
            "source": "syscall",
            "hostname": "node-a",
            "tags": ["container", "shell"],
            "output_fields": {"proc.name": "bash", "proc.pid": 7, "user.name": None},
            "uuid": "00000000-0000-0000-0000-000000000000",
        }
    )
    posted = take.sync_detailed(client=client, body=alert)
    items = page.sync(client=client, limit=10, order=PageOrder.ASC)
    assert isinstance(items, Items), items
    item = one.sync(items.items[0].cursor, client=client)
    assert isinstance(item, Item), item
    counted = facets.sync(client=client, fields="rule,proc.name")
    assert isinstance(counted, Facets), counted
    how = status.sync(client=client)
    assert isinstance(how, Status), how
    print(
        json.dumps(
            {
                "posted": int(posted.status_code),
                "sent": alert.to_dict(),
                "event": item.event.to_dict(),
                "rule": item.event.rule,
                "values": [[[v.value, v.count] for v in facet.values] for facet in counted.facets],
                "received": how.alerts_received,
                "items": len(items.items),
            }
        )
    )


main()
