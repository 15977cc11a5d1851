import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig } from "vite";

/** The one file that keeps its name: the proxy puts its own bounds in its place. */
const limits: Plugin = {
  name: "limits",
  generateBundle() {
    this.emitFile({ type: "asset", fileName: "limits.json", source: readFileSync("../page/limits.json") });
  },
};

const proxy = `http://127.0.0.1:${process.env["PORT"] ?? 8000}`; // where `make proxy PORT=8000` serves

export default defineConfig({
  plugins: [react(), limits],
  build: {
    outDir: "../../../.build/react",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the proxy's Content-Security-Policy refuses data: addresses
    sourcemap: false,
  },
  server: { proxy: { "/api": proxy, "/limits.json": proxy }, fs: { allow: [".."] } },
});
