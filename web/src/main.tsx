// Starts the page: the feed follows the filter and range of the address bar.

import { computed, effect, untracked } from "@preact/signals";
import { render } from "preact";
import { active, picked } from "./chosen";
import { open } from "./feed";
import { listen } from "./keys";
import { place } from "./state";
import { App } from "./view/app";
import "./style/base.css";
import "./style/live.css";
import "./style/table.css";
import "./style/pages.css";
import "./style/narrow.css";

const asked = computed(() => JSON.stringify([place.value.filter, place.value.since, place.value.until]));
effect(() => {
  const [filter, since, until] = JSON.parse(asked.value) as [string, string, string];
  active.value = undefined;
  picked.value = new Set();
  untracked(() => void open(filter, since, until));
});
listen();
const root = document.getElementById("app");
if (root) render(<App />, root);
