// Reads a stream of server-sent events with a library of npm, as long as the library does.
//
//     node events.js LIBRARY URL
//
// It prints one JSON object a line for each event of the library: the event's name (empty if it has
// none) and its data. If a library needs help to reconnect after the end of an answer, the program
// does exactly what the library's documentation says.
'use strict';

// The events that an application listens to. Events without a name arrive as `message`.
const NAMES = ['message', 'lost', 'position', 'bye'];

const say = (event, data) => {
  const name = event === 'message' || event === undefined ? '' : event;
  process.stdout.write(`${JSON.stringify({ event: name, data })}\n`);
};

const listen = (source) => {
  for (const name of NAMES) source.addEventListener(name, ({ data }) => say(name, data));
};

const LIBRARIES = {
  eventsource(url) {
    const { EventSource } = require('eventsource');
    listen(new EventSource(url));
  },
  'event-source-polyfill'(url) {
    const { EventSourcePolyfill } = require('event-source-polyfill');
    listen(new EventSourcePolyfill(url));
  },
  'extended-eventsource'(url) {
    const { EventSource } = require('extended-eventsource');
    listen(new EventSource(url));
  },
  'eventsource-client'(url) {
    const { createEventSource } = require('eventsource-client');
    createEventSource({ url, onMessage: ({ event, data }) => say(event, data) });
  },
  'fetch-event-source'(url) {
    // This library is made for browsers.
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = require('@microsoft/fetch-event-source');
    fetchEventSource(url, {
      onmessage: ({ event, data }) => say(event, data),
      // The library reconnects after the end of an answer only if this throws.
      onclose() {
        throw new Error('the stream ended');
      },
    });
  },
};

const [name, url] = process.argv.slice(2);
// Keeps Node running: eventsource 5 waits with a timer that does not.
process.stdin.resume();
LIBRARIES[name](url);
