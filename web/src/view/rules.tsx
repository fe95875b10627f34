// Each rule that fired in the range: how often, when last, where, and its course over the range.
// A click shows its alerts.

import { rules as ask } from "../model/api";
import { priorityOf } from "../model/alert";
import { quote, writable } from "../model/filter";
import { filter, follow, href, place } from "../state";
import { FilterBar } from "./filterbar";
import { usePolled } from "./polled";
import { Ago, Priority, Text, number } from "./text";

export function RulesPage() {
  const { since, until } = place.value;
  const { data, problem } = usePolled(JSON.stringify(["rules", filter.value, since, until]), 5000, (signal) =>
    ask({ filter: filter.value, since, until }, signal));
  return (
    <main class="page">
      <FilterBar />
      <h1>Rules <small>{data ? `${number(data.rules.length)} fired ${number(data.matched)} times` : ""}</small></h1>
      {problem && <p class="notice" role="alert">{problem.message}</p>}
      {data && data.rules.length === 0 && <p class="soft">No rule fired in this range.</p>}
      {data && data.rules.length > 0 && (
        <div class="sheet" role="region" aria-label="Rules" tabIndex={0}>
          <table>
            <thead><tr><th><span class="word">Priority</span></th><th>Rule</th><th class="num">Alerts</th><th>Course</th><th>Last</th><th class="wide-only">Hosts</th><th class="wide-only">Source</th></tr></thead>
            <tbody>
              {data.rules.map((rule) => {
                const change = { page: "live" as const, filter: `rule = ${quote(rule.rule)}` };
                return (
                  <tr key={`${rule.rule}\0${rule.source}\0${rule.priority}`}>
                    <td><Priority priority={priorityOf(rule.priority)} /></td>
                    <th scope="row">
                      {writable(rule.rule) && rule.rule !== "" ? <a href={href(change)} onClick={follow(change)}><Text text={rule.rule} /></a> : <Text text={rule.rule || "(no rule)"} />}
                      <span class="tags-line soft"><Text text={rule.tags.join(" ")} most={120} /></span>
                    </th>
                    <td class="num">{number(rule.count)}</td>
                    <td><Spark counts={rule.spark} priority={priorityOf(rule.priority)} /></td>
                    <td class="soft"><Ago time={rule.last} /></td>
                    <td class="wide-only soft"><Text text={rule.hosts.map(({ value, count }) => `${value} ${number(count)}`).join(", ")} most={120} /></td>
                    <td class="wide-only soft"><Text text={rule.source} most={40} /></td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </main>
  );
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
