// The placeholder page's live part: asks for the status every two seconds, fills the numbers in,
// and makes the lines to copy fit this server. Text only ever goes in as text.

const EVERY_MS = 2000;
const GIVE_UP_MS = 5000;
const COPIED_MS = 1500;

const byId = (id) => document.getElementById(id);
const digits = new Intl.NumberFormat();

function write(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

async function refresh() {
  try {
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await fetch("./api/v1/status", { cache: "no-store", signal });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
    tell("live", "Live");
  } catch {
    tell("lost", "Server not reached");
  }
}

function tell(state, text) {
  byId("state").dataset.state = state;
  write("state", text);
}

function show(status) {
  write("version", status.version);
  for (const name of ["alerts_received", "alerts_retained", "subscribers"]) {
    write(name, digits.format(status[name]));
  }
  turn("read", status.grpc !== "");
  turn("send", status.ingest);
  const grpcurl = `grpcurl ${target(status.grpc)}`;
  write("sub", `${grpcurl} falco.outputs.service/sub`);
  write("falco-version", `${grpcurl} falco.version.service/version`);
}

function turn(section, on) {
  byId(section).querySelector(".on").hidden = !on;
  byId(section).querySelector(".off").hidden = on;
}

// A unix socket is plain; over TCP Falco's gRPC always wants a client certificate.
function target(address) {
  const socket = /^unix:(?:\/\/)?(\/.*)$/.exec(address);
  if (socket) return `-plaintext -unix ${quoted(socket[1])}`;
  const reachable = address.replace(/^(?:0\.0\.0\.0|\[::\])(?=:)/, "localhost");
  return `-cacert ca.crt -cert client.crt -key client.key ${quoted(reachable)}`;
}

// As one word of a shell.
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// Browsers offer the clipboard on loopback and over TLS only.
function offerCopying() {
  if (!navigator.clipboard) return;
  for (const snippet of document.querySelectorAll(".snippet")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(snippet.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, COPIED_MS);
    });
    snippet.append(button);
  }
}

async function keepFresh() {
  if (!document.hidden) await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

write("wire", byId("wire").textContent.replace(/http:.*$/, new URL(".", document.baseURI).href));
offerCopying();
keepFresh();
