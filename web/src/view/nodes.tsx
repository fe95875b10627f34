// The hosts alerts come from, in the range: how many, when last, what share. A click shows theirs.

import { facets as ask } from "../model/api";
import { quote, writable } from "../model/filter";
import { filter, follow, href, place } from "../state";
import { FilterBar } from "./filterbar";
import { usePolled } from "./polled";
import { Ago, Text, Time, number } from "./text";

export function NodesPage() {
  const { since, until } = place.value;
  const { data, problem } = usePolled(JSON.stringify(["nodes", filter.value, since, until]), 5000, (signal) =>
    ask({ filter: filter.value, since, until, fields: "hostname,source", top: 100 }, signal));
  const hosts = data?.facets.find(({ field }) => field === "hostname");
  const sources = data?.facets.find(({ field }) => field === "source");
  const most = Math.max(1, ...(hosts?.values.map(({ count }) => count) ?? []));
  return (
    <main class="page">
      <FilterBar />
      <h1>Nodes <small>{data ? `${number(hosts?.values.length ?? 0)} hosts, ${number(data.matched)} alerts` : ""}</small></h1>
      {problem && <p class="notice" role="alert">{problem.message}</p>}
      {hosts && hosts.values.length === 0 && <p class="soft">No host sent an alert in this range.</p>}
      {hosts && hosts.values.length > 0 && (
        <div class="sheet" role="region" aria-label="Nodes" tabIndex={0}>
          <table>
            <thead><tr><th>Host</th><th class="num">Alerts</th><th class="wide-only">Share</th><th>Last alert</th><th class="wide-only">At</th></tr></thead>
            <tbody>
              {hosts.values.map(({ value, count, last }) => {
                const change = { page: "live" as const, filter: `hostname = ${quote(value)}` };
                return (
                  <tr key={value}>
                    <th scope="row">{writable(value) ? <a href={href(change)} onClick={follow(change)}><Text text={value} /></a> : <Text text={value} />}</th>
                    <td class="num">{number(count)}</td>
                    <td class="wide-only"><span class="share"><i style={{ width: `${(count / most) * 100}%` }} /></span></td>
                    <td class="soft"><Ago time={last} /></td>
                    <td class="wide-only soft"><Time time={last} full /></td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {hosts && hosts.other > 0 && <p class="soft">{number(hosts.other)} alerts are from further hosts.</p>}
      {hosts && hosts.missing > 0 && <p class="soft">{number(hosts.missing)} alerts name no host (Falco before 0.31).</p>}
      {sources && sources.values.length > 0 && <>
        <h2>Sources</h2>
        <p class="source-list">{sources.values.map(({ value, count }) => {
          const change = { page: "live" as const, filter: `source = ${quote(value)}` };
          return <a key={value} class="button" href={href(change)} onClick={follow(change)}><Text text={value} most={60} /> <span class="soft">{number(count)}</span></a>;
        })}</p>
      </>}
    </main>
  );
}
