// The server's root as the browser sees it: behind a proxy it can be `/falconer/`. All paths of the page
// are in one folder, so that folder is the root, and every address of the page is built from it. It is
// determined once, because the address changes but the folder does not.

/** The address of the root, with a trailing slash. */
export const BASE = new URL(".", globalThis.document?.baseURI ?? "http://localhost/");

/** The root for commands and settings, without a trailing slash. */
export const ROOT = BASE.href.slice(0, -1);

/** The browser's address of a path of the server (`/api/v1/status`). */
export function outside(path: string, base = BASE.pathname): string {
  return base + path.slice(1);
}

/** The server's path of the browser's address. */
export function inside(path: string, base = BASE.pathname): string {
  return path.startsWith(base) ? `/${path.slice(base.length)}` : path;
}

/** The name of stored data. Servers behind one origin have different names. */
export function keptAs(name: string, base = BASE.pathname): string {
  return base === "/" ? `falconer.${name}` : `falconer.${name} ${base}`;
}
