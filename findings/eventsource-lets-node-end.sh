#!/usr/bin/env bash
# An EventSource in Node keeps the process for as long as it is open, and it is open until it is
# closed: so a program that only listens to one goes on over a restart of the server.
#
# With eventsource 5.1.5 from npm it ends instead, with status 0 and without a word, when the server
# ends the stream: the time to wait before coming back is a timer that does not keep Node
# (`timer.unref()` in src/EventSource.ts, scheduleReconnect). With anything else to do the same
# program comes back. event-source-polyfill 1.0.31 keeps the process.
#
# It matters here because a small program that hands Falco's alerts on is gone after each restart of
# the server, and its supervisor is told that it did its work.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
    eventsource@5.1.5 event-source-polyfill@1.0.31 >/dev/null

# A server of events: each answer is one event and ends.
cat >server.js <<'EOF'
const http = require('node:http');
let answers = 0;
http.createServer((request, response) => {
  answers += 1;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`retry: 200\nid: ${answers}\ndata: answer ${answers}\n\n`);
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
EOF
node server.js >port &
server=$!
trap 'kill "$server"; rm -rf "$dir"' EXIT
for _ in $(seq 100); do [[ -s port ]] && break || sleep 0.1; done
url="http://127.0.0.1:$(<port)/"

program() {
    echo "const { $2: Source } = require('$1');
        const source = new Source('$url');
        source.onmessage = ({ data }) => {
            console.log(data);
            if (data.endsWith(' $3')) { source.close(); process.exit(3); }
        };"
}

# ended WITH PACKAGE NAME STOP [PROGRAM]: the status, 3 where the program came back for STOP.
ended() {
    local status=0
    timeout 30 node -e "$(program "$1" "$2" "$3")${4:-}" >out 2>&1 </dev/null || status=$?
    echo "$1${4:+ with something to do}: status $status, said: $(paste -sd, out)"
    [[ $status == "$5" ]] || {
        echo "this is not what was found: status $5" >&2
        exit 1
    }
}

echo "node $(node --version)"
npm ls --depth=0 --prefix . | grep -o "[a-z-]*@[0-9.]\+"
ended eventsource EventSource 2 '' 0
ended eventsource EventSource 4 'setInterval(() => {}, 1000);' 3
ended event-source-polyfill EventSourcePolyfill 6 '' 3
