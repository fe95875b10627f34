// Shown instead of everything when the server wants a credential the page does not have.

import { useState } from "preact/hooks";
import { hasToken, refused, signIn } from "../state";

export function Auth() {
  const [value, setValue] = useState("");
  const problem = refused.value;
  if (!problem) return null;
  if (problem.status === 403) {
    return (
      <main class="auth"><h1>Not allowed</h1><p>{problem.message}</p>
        <p class="soft">The server refuses this name or credential: look at <code>falconer.gateway.allowed_hosts</code> and <code>tls</code>.</p>
      </main>
    );
  }
  return (
    <main class="auth">
      <h1>A token is needed</h1>
      <p>{hasToken.value ? "The server did not accept the token. " : ""}This server answers only with the token in the file that <code>falconer.gateway.token_file</code> names. Whoever runs it can tell you.</p>
      <form onSubmit={(event) => {
        event.preventDefault();
        signIn(value.trim());
      }}>
        <label for="token">Token</label>
        <input id="token" type="password" autocomplete="off" value={value} onInput={(event) => setValue(event.currentTarget.value)} required />
        <button type="submit" class="main">Continue</button>
      </form>
      <p class="soft">It is kept in this tab until it is closed.</p>
    </main>
  );
}
