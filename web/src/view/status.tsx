// The status of the server: inputs, retained alerts, readers, certificates, and commands that read from it.

import { status as ask } from "../model/api";
import { ROOT } from "../model/base";
import { curlStream, grpcurl } from "../model/copyas";
import { age, moment, span } from "../model/time";
import { hasToken, serverStatus } from "../state";
import { sendTest } from "./empty";
import { usePolled } from "./polled";
import { Ago, Snippet, Text, Time, bytes, number } from "./text";

const SOON_MS = 14 * 86_400_000;

const KINDS: Record<string, string> = { grpc: "gRPC", sse: "Dashboards (SSE)", ndjson: "NDJSON" };

/** Why an input is down, and since when. */
function Down({ error, since }: { error: string | null; since: string | null }) {
  if (!error) return null;
  return <b class="bad"> ✕ <Text text={error} most={200} />{since && <> (<Ago time={since} />)</>}</b>;
}

export function StatusPage() {
  const { data, problem } = usePolled("status", 2000, async (signal) => (serverStatus.value = await ask(signal)));
  if (!data) return <main class="page"><h1>Status</h1><p class="soft" role="status">{problem?.message ?? "Loading…"}</p></main>;
  const now = moment(data.now);
  const used = data.retain > 0 ? data.bytes_retained / data.retain : 0;
  const tiles: [string, string, string?][] = [
    ["Received", number(data.alerts_received)],
    ["Kept", number(data.alerts_retained), data.oldest ? `since ${age(moment(data.oldest), now)}` : ""],
    ["Memory", bytes(data.bytes_retained), `${Math.round(used * 100)} % of ${bytes(data.retain)}`],
    ["Lost", number(data.alerts_lost), data.alerts_lost > 0 ? "dropped before a reader had them" : "none"],
    ["Subscribers", number(data.subscribers)],
  ];
  return (
    <main class="page">
      <h1>Status <small>Falconer {data.version} · up {span(now - moment(data.started))}</small></h1>
      {problem && <p class="notice" role="alert">{problem.message} What is shown may be old.</p>}
      <dl class="tiles">
        {tiles.map(([name, value, more]) => <div key={name} class={name === "Lost" && data.alerts_lost > 0 ? "warn" : ""}><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>)}
      </dl>
      <div class="cards">
        <section>
          <h2>Inputs</h2>
          {data.inputs.length === 0 && <p class="soft">No input is configured.</p>}
          {data.inputs.map((input) => (
            <div key={input.name} class="line">
              <span>
                <Text text={input.name} most={200} />
                {input.files.length === 0 && <Down error={input.error} since={input.since} />}
                {input.files.map((file) => (
                  <small key={file.path}><span class="mono"><Text text={file.path} most={200} /></span><Down error={file.error} since={file.since} /></small>
                ))}
              </span>
              <span class="num">{number(input.received)} received{input.refused > 0 && <b class="bad"> · ▲ {number(input.refused)} refused</b>}<small><Ago time={input.last} /></small></span>
            </div>
          ))}
          {data.ingest && <p><button type="button" onClick={() => void sendTest()}>Send a test alert</button></p>}
        </section>
        <section>
          <h2>Readers</h2>
          {data.readers.map(({ kind, count, lag, delivered }) => (
            <div key={kind} class="line">
              <span>{KINDS[kind] ?? kind}</span>
              <span class="num">{number(count)}{lag > 0 && ` · ${number(lag)} behind`}<small>{number(delivered)} delivered</small></span>
            </div>
          ))}
          {data.slowest.filter(({ lost }) => lost > 0).map(({ kind, name, lag, lost }, at) => (
            <div key={at} class="line">
              <span><Text text={name ?? KINDS[kind] ?? kind} most={80} /></span>
              <span class="num"><b class="bad">▲ {number(lost)} lost</b>{lag > 0 && ` · ${number(lag)} behind`}</span>
            </div>
          ))}
          {data.slowest.length < data.subscribers && <p class="soft">Of {number(data.subscribers)} readers the {number(data.slowest.length)} furthest behind are told of one by one.</p>}
          <div class="line"><span>gRPC listens on</span><span class="mono">{data.grpc || "off"}</span></div>
        </section>
        {data.certificates.length > 0 && (
          <section>
            <h2>Certificates</h2>
            {data.certificates.map((one) => {
              const left = moment(one.not_after) - now;
              return (
                <div key={one.file} class="line">
                  <span><span class="mono"><Text text={one.file} most={200} /></span></span>
                  <span class={left < SOON_MS ? "num bad" : "num"}>{left < 0 ? "✕ ended " : left < SOON_MS ? "▲ ends " : "ends "}{age(moment(one.not_after), now)}<small><Time time={one.not_after} full /></small></span>
                </div>
              );
            })}
          </section>
        )}
        <section>
          <h2>Read from here</h2>
          {data.grpc !== "" && <Snippet text={grpcurl(data.grpc, "")} what="grpcurl command" />}
          <Snippet text={curlStream(ROOT, "", hasToken.value)} what="curl command" />
          <p class="soft small-text">Build {data.build}, epoch {data.epoch}, started <Time time={data.started} full /></p>
        </section>
      </div>
    </main>
  );
}
