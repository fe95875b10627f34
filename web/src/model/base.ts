// Where the server's root is, as the browser sees it: behind a proxy it may be `/falconer/` and not
// `/`. The page is one folder deep at most wherever it is shown, so that its own folder is the root;
// every address the page asks or shows is made from that. Found once: the address changes, the
// folder does not.

/** The root's address, with the slash at its end. */
export const BASE = new URL(".", globalThis.document?.baseURI ?? "http://localhost/");

/** The root for commands and settings, without the slash at its end. */
export const ROOT = BASE.href.slice(0, -1);

/** An address of the server's (`/api/v1/status`) as the browser has to ask for it. */
export function outside(path: string, base = BASE.pathname): string {
  return base + path.slice(1);
}

/** The server's own path of what the browser has in its address bar. */
export function inside(path: string, base = BASE.pathname): string {
  return path.startsWith(base) ? `/${path.slice(base.length)}` : path;
}

/** The name of something kept in the browser: servers behind one origin have each their own. */
export function keptAs(name: string, base = BASE.pathname): string {
  return base === "/" ? `falconer.${name}` : `falconer.${name} ${base}`;
}
