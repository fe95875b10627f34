"""A client of Falco's gRPC API with the `falco` package 0.4.0, exactly as published.

    client_py.py [--certs DIR] ENDPOINT COMMAND [COUNT]

Commands: version, get, sub (ends after COUNT alerts, or with the server if COUNT is 0). Output and
exit code are those of outputs.py, but this client drops the `source` text and the fraction of the
second (it converts the time to a float). Its table of sources ends before PLUGIN, so the first
alert of a plugin raises KeyError: 3. The program then prints {"key_error": 3} and exits with 4.
"""

import argparse
import json
import pathlib
import sys

import falco
import grpc

PRIORITIES = list(falco.OutputsResponse.Priority)
SOURCES = list(falco.OutputsResponse.Source)


def say(value):
    print(json.dumps(value), flush=True)


def alert(response):
    return {
        "time": str(int(response.time.timestamp())),
        "priority": PRIORITIES.index(response.priority),
        "source_deprecated": SOURCES.index(response.source),
        "rule": response.rule,
        "output": response.output,
        "output_fields": response.output_fields,
        "hostname": response.hostname,
        "tags": response.tags,
    }


def client(endpoint, certs):
    if endpoint.startswith("unix:"):
        return falco.Client(endpoint=endpoint)
    names = {"client_crt": "client.crt", "client_key": "client.key", "ca_root": "ca.crt"}
    paths = {option: str(pathlib.Path(certs) / name) for option, name in names.items()}
    return falco.Client(endpoint=endpoint, **paths)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--certs")
    parser.add_argument("endpoint")
    parser.add_argument("command", choices=["version", "get", "sub"])
    parser.add_argument("count", type=int, nargs="?", default=0)
    args = parser.parse_args()
    server = client(args.endpoint, args.certs)
    try:
        if args.command == "version":
            version = server.version()
            say({name: getattr(version, name) for name in version.__slots__})
        elif args.command == "get":
            for response in server.get():
                say(alert(response))
        else:
            for seen, response in enumerate(server.sub(), start=1):
                say(alert(response))
                if seen == args.count:
                    return
            say({"status": 0})
            sys.exit(3)
    except KeyError as error:
        say({"key_error": error.args[0]})
        sys.exit(4)
    except grpc.RpcError as error:
        print(f"{error.code()}: {error.details()}", file=sys.stderr)
        say({"status": error.code().value[0]})
        sys.exit(3)


if __name__ == "__main__":
    main()
