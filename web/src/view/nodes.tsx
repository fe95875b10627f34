// The hosts in the range, with count, rate, last alert and share. A click adds the host to the filter. Of
// very many hosts, those with the most alerts are listed, with the total number. The rate is of the last
// minute in a live range, otherwise of the whole range. Lost alerts are counted for all hosts together,
// because their hosts are unknown.

import { stats } from "../feed";
import { facets as ask } from "../model/api";
import { narrowed, writable } from "../model/filter";
import { moment } from "../model/time";
import type { Facet } from "../model/wire";
import { filter, follow, href, place } from "../state";
import { FilterBar } from "./filterbar";
import { usePolled } from "./polled";
import { Ago, Text, Time, atLeast, number } from "./text";

/** The maximum number of hosts that the server lists. */
const TOP = 1000;

export function NodesPage() {
  const { since, until } = place.value;
  const { data, problem } = usePolled(JSON.stringify(["nodes", filter.value, since, until]), 5000, async (signal) => {
    const [range, minute] = await Promise.all([
      ask({ filter: filter.value, since, until, fields: "hostname,source", top: TOP }, signal),
      until === "" ? ask({ filter: filter.value, since: "1m", fields: "hostname", top: TOP }, signal) : undefined,
    ]);
    return { ...range, rates: rates(range.facets, minute?.facets, (moment(until) - moment(since)) / 1000) };
  });
  const lost = stats.value?.lost ?? 0;
  const hosts = data?.facets.find(({ field }) => field === "hostname");
  const sources = data?.facets.find(({ field }) => field === "source");
  return (
    <main class="page">
      <FilterBar />
      <h1>Nodes <small>{data && hosts ? `${atLeast(hosts.distinct, !hosts.capped)} ${hosts.distinct === 1 ? "host" : "hosts"}, ${number(data.matched)} alerts` : ""}{lost > 0 && <b class="bad"> · ▲ {number(lost)} lost by readers</b>}</small></h1>
      {problem && <p class="notice" role="alert">{problem.message}</p>}
      {hosts && hosts.values.length === 0 && <p class="soft">{filter.value === "" ? "No host sent an alert in this range." : "No matching alert has a host."}</p>}
      {hosts && hosts.values.length > 0 && (
        <div class="sheet" role="region" aria-label="Nodes" tabIndex={0}>
          <table>
            <thead><tr><th>Host</th><th class="num">Alerts</th><th class="num">Rate{until === "" && <span class="wide-only">, last minute</span>}</th><th class="wide-only">Share</th><th>Last alert</th><th class="wide-only">At</th></tr></thead>
            <tbody>
              {hosts.values.map(({ value, count, last }) => {
                const change = { page: "live" as const, filter: narrowed(filter.value, "hostname", value) };
                return (
                  <tr key={value}>
                    <th scope="row">{writable(value) ? <a href={href(change)} onClick={follow(change)}><Text text={value} /></a> : <Text text={value} />}</th>
                    <td class="num">{number(count)}</td>
                    <td class="num">{perSecond(data?.rates.get(value))}</td>
                    <td class="wide-only"><span class="share" title={percent(count, data?.matched)}><i style={{ width: percent(count, data?.matched) }} /></span></td>
                    <td class="soft"><Ago time={last} /></td>
                    <td class="wide-only soft"><Time time={last} full /></td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {hosts && hosts.other > 0 && <p class="soft">The {number(hosts.values.length)} hosts with most alerts are listed; {number(hosts.other)} alerts are from {atLeast(hosts.distinct - hosts.values.length, !hosts.capped)} more.</p>}
      {hosts && hosts.missing > 0 && <p class="soft">{number(hosts.missing)} alerts name no host (Falco before 0.31).</p>}
      {sources && sources.values.length > 0 && <>
        <h2>Sources</h2>
        <p class="source-list">{sources.values.map(({ value, count }) => {
          const change = { page: "live" as const, filter: narrowed(filter.value, "source", value) };
          return <a key={value} class="button" href={href(change)} onClick={follow(change)}><Text text={value} most={60} /> <span class="soft">{number(count)}</span></a>;
        })}{sources.other > 0 && <span class="soft"> and {atLeast(sources.distinct - sources.values.length, !sources.capped)} more</span>}</p>
      </>}
    </main>
  );
}

/**
 * The alerts a second of each host in the last minute. If more hosts than listed had alerts, the rate of
 * the others is unknown.
 */
function rates(range: Facet[], minute: Facet[] | undefined, seconds: number): Map<string, number> {
  const of = (facets: Facet[]) => facets.find(({ field }) => field === "hostname")?.values ?? [];
  if (!minute) return new Map(of(range).map(({ value, count }) => [value, count / seconds]));
  const counted = new Map(of(minute).map(({ value, count }) => [value, count / 60]));
  const all = minute.every(({ other }) => other === 0);
  return new Map(of(range).flatMap(({ value }) => {
    const rate = counted.get(value) ?? (all ? 0 : undefined);
    return rate === undefined ? [] : [[value, rate]];
  }));
}

/** The share of all matching alerts. */
function percent(count: number, all = 0): string {
  return all > 0 ? `${((count / all) * 100).toFixed(1)}%` : "";
}

function perSecond(rate: number | undefined): string {
  if (rate === undefined || !Number.isFinite(rate)) return "–";
  if (rate === 0) return "0";
  return rate >= 1 ? `${number(Math.round(rate * 10) / 10)}/s` : `${number(Math.round(rate * 600) / 10)}/min`;
}
