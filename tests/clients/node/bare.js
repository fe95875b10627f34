// Calls Falco's `version` with Node's own HTTP/2 only, which writes an IPv6 address without its
// brackets into `:authority`.
//
//     node bare.js --certs DIR ADDRESS
//
// ADDRESS is [IPV6]:PORT. It prints one JSON object: {"authority": ..., "status": N}, or
// {"authority": ..., "error": CODE}.
'use strict';

const fs = require('node:fs');
const http2 = require('node:http2');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { values, positionals } = parseArgs({
  options: { certs: { type: 'string' } },
  allowPositionals: true,
});
const read = (name) => fs.readFileSync(path.join(values.certs, name));
const session = http2.connect(`https://${positionals[0]}`, {
  // The test's certificate is for localhost, but `servername` would also set the authority.
  checkServerIdentity: () => undefined,
  ca: read('ca.crt'),
  cert: read('client.crt'),
  key: read('client.key'),
});
const call = session.request({
  ':method': 'POST',
  ':path': '/falco.version.service/version',
  'content-type': 'application/grpc',
  te: 'trailers',
});
const authority = () => call.sentHeaders[':authority'];
const say = (value) => {
  process.stdout.write(`${JSON.stringify({ authority: authority(), ...value })}\n`);
  session.destroy();
};
call.on('trailers', (trailers) => say({ status: Number(trailers['grpc-status']) }));
call.on('error', (error) => say({ error: error.message }));
call.resume();
call.end(Buffer.alloc(5));
