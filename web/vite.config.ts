// How the dashboard is built: one page, hashed files under assets/, nothing inline, nothing from
// elsewhere, because the server's Content-Security-Policy allows nothing else. All addresses are
// relative: a proxy may serve it under a prefix.

import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "dist",
    assetsDir: "assets",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // `npm run dev` beside a running server; FALCONER_URL says where it is.
    proxy: { "/api": process.env.FALCONER_URL ?? "http://127.0.0.1:2804" },
  },
  test: { include: ["test/**/*.test.ts"] },
});
