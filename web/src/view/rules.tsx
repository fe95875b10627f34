// The rules that raised alerts in the range, with count, last alert, hosts and sparkline. A click adds the
// rule to the filter.

import { rules as ask } from "../model/api";
import { priorityOf } from "../model/alert";
import { narrowed, writable } from "../model/filter";
import type { RuleRow } from "../model/wire";
import { filter, follow, href, place } from "../state";
import { FilterBar } from "./filterbar";
import { usePolled } from "./polled";
import { Ago, Priority, Text, atLeast, number } from "./text";

export function RulesPage() {
  const { since, until } = place.value;
  const { data, problem } = usePolled(JSON.stringify(["rules", filter.value, since, until]), 5000, (signal) =>
    ask({ filter: filter.value, since, until }, signal));
  const names = new Map<string, number>();
  for (const { rule } of data?.rules ?? []) names.set(rule, (names.get(rule) ?? 0) + 1);
  return (
    <main class="page">
      <FilterBar />
      <h1>Rules <small>{data ? `${atLeast(names.size, data.other === 0)} fired ${number(data.matched)} times` : ""}</small></h1>
      {problem && <p class="notice" role="alert">{problem.message}</p>}
      {data && data.rules.length === 0 && <p class="soft">{filter.value === "" ? "No rule fired in this range." : "No alert matches the filter and range."}</p>}
      {data && data.rules.length > 0 && (
        <div class="sheet" role="region" aria-label="Rules" tabIndex={0}>
          <table>
            <thead><tr><th><span class="word">Priority</span></th><th>Rule</th><th class="num">Alerts</th><th>Course</th><th>Last</th><th class="wide-only">Hosts</th><th class="wide-only">Source</th></tr></thead>
            <tbody>
              {data.rules.map((rule) => {
                const change = { page: "live" as const, filter: filterOf(rule, (names.get(rule.rule) ?? 0) > 1) };
                return (
                  <tr key={`${rule.rule}\0${rule.source}\0${rule.priority}`}>
                    <td><Priority priority={priorityOf(rule.priority)} /></td>
                    <th scope="row">
                      {writable(rule.rule) && writable(rule.source) ? <a href={href(change)} onClick={follow(change)}><Text text={rule.rule || "(no rule)"} /></a> : <Text text={rule.rule} />}
                      <span class="tags-line soft"><Text text={rule.tags.join(" ")} most={120} /></span>
                    </th>
                    <td class="num">{number(rule.count)}</td>
                    <td><Spark counts={rule.spark} priority={priorityOf(rule.priority)} /></td>
                    <td class="soft"><Ago time={rule.last} /></td>
                    <td class="wide-only soft"><Text text={rule.hosts.map(({ value, count }) => `${value} ${number(count)}`).join(", ")} most={120} />{rule.distinct_hosts > rule.hosts.length && ` and ${number(rule.distinct_hosts - rule.hosts.length)} more`}</td>
                    <td class="wide-only soft"><Text text={rule.source} most={40} /></td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {data && data.other > 0 && <p class="soft">{number(data.other)} alerts are of further rules: {number(data.rules.length)} are told apart.</p>}
    </main>
  );
}

/** The filter for the alerts of one row. A rule can have several rows with different priorities. */
function filterOf({ rule, source, priority }: RuleRow, several: boolean): string {
  const found = narrowed(filter.value, "rule", rule);
  return several ? narrowed(narrowed(found, "source", source), "priority", priority) : found;
}

function Spark({ counts, priority }: { counts: number[]; priority: number }) {
  const most = Math.max(1, ...counts);
  return (
    <svg class={`spark f${priority}`} viewBox={`0 0 ${counts.length * 4} 20`} preserveAspectRatio="none" role="img" aria-label={`at most ${number(most)} in one part of the range`}>
      {counts.map((count, at) => count > 0 && (
        <rect key={at} x={at * 4} width={3} y={20 - Math.max(1, (count / most) * 20)} height={Math.max(1, (count / most) * 20)} />
      ))}
    </svg>
  );
}
