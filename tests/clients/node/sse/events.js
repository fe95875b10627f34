// Reads a stream of server-sent events with a library of npm, and goes on for as long as it does.
//
//     node events.js LIBRARY URL
//
// One JSON object a line on stdout for each event that the library hands on: its name (empty for
// one without) and its data. What a library needs to come back after the end of an answer is done as
// its documentation says, and nothing else.
'use strict';

// What an application of ours would listen to; events without a name come as `message`.
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
    // It is made for browsers.
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = require('@microsoft/fetch-event-source');
    fetchEventSource(url, {
      onmessage: ({ event, data }) => say(event, data),
      // An answer that ended is for it the end, unless it is made an error.
      onclose() {
        throw new Error('the stream ended');
      },
    });
  },
};

const [name, url] = process.argv.slice(2);
// eventsource 5 waits with a timer that does not keep Node from ending; an application has more to do.
process.stdin.resume();
LIBRARIES[name](url);
