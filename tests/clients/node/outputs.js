// A client of Falco's gRPC API with grpc-js and the repository's .proto files.
//
//     node outputs.js [--certs DIR] ENDPOINT COMMAND [COUNT]
//
// ENDPOINT is unix:///PATH (plaintext) or HOST:PORT (TLS with ca.crt, client.crt, client.key of
// DIR). Commands: version, get, and
//     sub-silent      never sends a request
//     sub-half-close  sends one request and half-closes
//     sub-polite      sends 10 requests a second, 30 of them
//     sub-burst       sends 3 bursts of 2,000 requests, a second after the response headers
// A sub ends after COUNT alerts, or with the server if COUNT is 0. It prints one JSON object a
// line: each alert; {"open": true} after the response headers; {"sent": N} after the last request;
// {"status": N} when a sub ends, or another call ends with a status other than OK. The exit code is
// 0 if all alerts arrived, and 3 after a "status" line.
'use strict';

const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const PROTO = path.join(__dirname, '..', '..', '..', 'proto', 'falco');
const DEADLINE_MS = 30_000;

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

function alert(response) {
  const { time, ...rest } = response;
  return { time: `${time.seconds}.${String(time.nanos).padStart(9, '0')}`, ...rest };
}

function ended(error) {
  process.stderr.write(`${error.message}\n`);
  say({ status: error.code });
  process.exitCode = 3;
}

function stub(protoFile, pkg, endpoint, certs) {
  const definition = loader.loadSync(protoFile, {
    includeDirs: [PROTO],
    keepCase: true,
    longs: String,
    defaults: true,
  });
  const Service = grpc.loadPackageDefinition(definition).falco[pkg].service;
  if (endpoint.startsWith('unix:')) {
    return new Service(endpoint, grpc.credentials.createInsecure());
  }
  const read = (name) => fs.readFileSync(path.join(certs, name));
  const credentials = grpc.credentials.createSsl(
    read('ca.crt'),
    read('client.key'),
    read('client.crt'),
  );
  return new Service(endpoint, credentials);
}

function version(service) {
  service.version({}, { deadline: Date.now() + DEADLINE_MS }, (error, response) => {
    if (error) ended(error);
    else say(response);
    service.close();
  });
}

function get(service) {
  const call = service.get({}, { deadline: Date.now() + DEADLINE_MS });
  call.on('data', (response) => say(alert(response)));
  call.on('error', ended);
  call.on('status', () => service.close());
}

// Sends the requests of a subscriber.
async function send(call, kind) {
  let sent = 0;
  const write = () => {
    call.write({});
    sent += 1;
  };
  if (kind === 'sub-silent') return;
  if (kind === 'sub-half-close') {
    write();
    call.end();
  }
  if (kind === 'sub-polite') {
    for (let i = 0; i < 30; i += 1) {
      write();
      await sleep(100);
    }
  }
  if (kind === 'sub-burst') {
    await once(call, 'metadata');
    await sleep(1000);
    for (let burst = 0; burst < 3; burst += 1) {
      for (let i = 0; i < 2000; i += 1) write();
      await sleep(200);
    }
  }
  say({ sent });
}

function subscribe(service, kind, count) {
  const call = service.sub();
  let seen = 0;
  call.on('metadata', () => say({ open: true }));
  call.on('data', (response) => {
    if (count && seen === count) return;
    seen += 1;
    say(alert(response));
    if (seen === count) call.cancel();
  });
  call.on('error', (error) => {
    if (!count || seen < count) ended(error);
  });
  call.on('end', () => service.close());
  call.on('status', (status) => {
    if (status.code === grpc.status.OK) ended({ code: 0, message: 'the stream ended with OK' });
    service.close();
  });
  return send(call, kind);
}

const { values, positionals } = parseArgs({
  options: { certs: { type: 'string' } },
  allowPositionals: true,
});
const [endpoint, command, count = '0'] = positionals;
const connect = (protoFile, pkg) => stub(protoFile, pkg, endpoint, values.certs);
if (command === 'version') version(connect('version.proto', 'version'));
else if (command === 'get') get(connect('outputs.proto', 'outputs'));
else if (/^sub-(silent|half-close|polite|burst)$/.test(command)) {
  subscribe(connect('outputs.proto', 'outputs'), command, Number(count));
} else {
  process.stderr.write(`unknown command ${command}\n`);
  process.exitCode = 2;
}
