// The page that asks for a token, shown if the server requires one.

import { useState } from "preact/hooks";
import { hasToken, refused, signIn } from "../state";

export function Auth() {
  const [value, setValue] = useState("");
  const problem = refused.value;
  if (!problem) return null;
  if (problem.status === 403) {
    return (
      <main class="auth"><h1>Not allowed</h1><p>{problem.message}</p>
        <p class="soft">The server rejects this host name or certificate. Check <code>falconer.gateway.allowed_hosts</code> and <code>tls</code>.</p>
      </main>
    );
  }
  return (
    <main class="auth">
      <h1>A token is needed</h1>
      <p>{hasToken.value ? "The server did not accept the token. " : ""}This server requires the token in the file of <code>falconer.gateway.token_file</code>. Ask its operator.</p>
      <form onSubmit={(event) => {
        event.preventDefault();
        signIn(value.trim());
      }}>
        <label for="token">Token</label>
        <input id="token" type="password" autocomplete="off" value={value} onInput={(event) => setValue(event.currentTarget.value)} required />
        <button type="submit" class="main">Continue</button>
      </form>
      <p class="soft">The token is stored until this tab is closed.</p>
    </main>
  );
}
