// The whole page: top bar, the page of the place, toast, help.

import { Detail } from "./detail";
import { Auth } from "./auth";
import { Help } from "./help";
import { LivePage } from "./live";
import { NodesPage } from "./nodes";
import { RulesPage } from "./rules";
import { StatusPage } from "./status";
import { TopBar } from "./topbar";
import { follow, href, place, refused, toast } from "../state";

export function App() {
  if (refused.value) return <Auth />;
  const { page, event } = place.value;
  return (
    <>
      <a class="skip" href="#alerts">To the alerts</a>
      <TopBar />
      {page === "live" && <LivePage />}
      {page === "rules" && <RulesPage />}
      {page === "nodes" && <NodesPage />}
      {page === "status" && <StatusPage />}
      {page === "event" && (
        <main class="page single">
          <p><a href={href({ page: "live", event })} onClick={follow({ page: "live", event })}>← Live</a></p>
          <Detail cursor={event} />
        </main>
      )}
      <Help />
      <div class="toasts" role="status" aria-live="polite">
        {toast.value && (
          <div class="toast">
            {toast.value.text}
            {toast.value.action && <button type="button" class="main" onClick={toast.value.action.run}>{toast.value.action.name}</button>}
            <button type="button" class="quiet" aria-label="Dismiss" onClick={() => (toast.value = undefined)}>✕</button>
          </div>
        )}
      </div>
    </>
  );
}
