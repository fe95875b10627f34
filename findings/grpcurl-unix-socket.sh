#!/usr/bin/env bash
# grpcurl's address of a unix socket: no way of writing it works with all of its versions.
#
# One would guess that `-unix /PATH`, as its help has it, works with every version. 1.9.1 and 1.9.4
# take it; 1.9.3 fails: its BlockingDial (grpcurl.go) does not use the network that the flag sets, so
# that the path is dialled over TCP. `unix:///PATH` without the flag is what 1.9.3 and 1.9.4 take, and
# 1.9.1 hands to net.Dialer as the address of a host.
# It matters here because a start prints a line to paste: -unix serves most, and README names the
# versions that differ.
#
# grpcurl v1.9.1, v1.9.3, v1.9.4 (github.com/fullstorydev/grpcurl), asked of grpcio 1.76.0's own
# health service. Needs go and python3; a few minutes the first time.
set -euo pipefail

dir=$(mktemp -d)
server=
trap 'if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; fi; rm -rf "$dir"' EXIT

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    grpcio==1.76.0 grpcio-reflection==1.76.0 grpcio-health-checking==1.76.0
for version in v1.9.1 v1.9.3 v1.9.4; do
    GOBIN="$dir/$version" GOFLAGS=-buildvcs=false \
        go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version"
done

cat >"$dir/server.py" <<'PYTHON'
import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
reflection.enable_server_reflection(["grpc.health.v1.Health", reflection.SERVICE_NAME], server)
server.add_insecure_port("unix://" + sys.argv[1])
server.start()
print("ready", flush=True)
server.wait_for_termination()
PYTHON
socket=$dir/health.sock
"$dir/venv/bin/python" "$dir/server.py" "$socket" >"$dir/ready" &
server=$!
for _ in $(seq 300); do
    [[ -s $dir/ready ]] && break
    sleep 0.1
done
[[ -s $dir/ready ]]

# ask VERSION FORM...: yes or no; what grpcurl said for no goes to standard error.
ask() {
    local version=$1
    shift
    if "$dir/$version/grpcurl" -plaintext -connect-timeout 10 -max-time 20 "$@" \
        grpc.health.v1.Health/Check >"$dir/said" 2>&1; then
        echo yes
    else
        echo no
        echo "    $1: $(head -n 1 "$dir/said")" >&2
    fi
}

seen=
for version in v1.9.1 v1.9.3 v1.9.4; do
    flag=$(ask "$version" -unix "$socket")
    url=$(ask "$version" "unix://$socket")
    echo "grpcurl $version: -unix PATH $flag, unix:///PATH $url"
    seen+="$flag $url;"
done
if [[ $seen != "yes no;no yes;yes yes;" ]]; then
    echo "this is not what was found: $seen" >&2
    exit 1
fi
