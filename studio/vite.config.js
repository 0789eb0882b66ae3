// Builds the studio to one HTML file: script, style and the policy that allows these two and nothing else.
import { createHash } from "node:crypto";
import { defineConfig } from "vite";

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/**
 * The part of the policy that is known at build time. The server adds what it knows, the addresses, and refuses all
 * else (functions/studio/studio.py); a `default-src` here would refuse those addresses, too.
 */
const writePolicy = (script, style) =>
  [
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    ...["object-src", "frame-src", "worker-src", "font-src", "base-uri", "form-action"].map((name) => `${name} 'none'`),
  ].join("; ");

function inlineEverything() {
  return {
    name: "inline-everything",
    enforce: "post",
    generateBundle(_options, bundle) {
      const page = bundle["index.html"];
      const files = Object.values(bundle).filter((file) => file !== page);
      const script = files.filter((file) => file.type === "chunk").map((file) => file.code.trim()).join("\n");
      const style = files.filter((file) => file.fileName.endsWith(".css")).map((file) => String(file.source).trim()).join("\n");
      if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style)) throw new Error("The build would end its own element early.");
      for (const file of files) delete bundle[file.fileName];
      const policy = `<meta http-equiv="Content-Security-Policy" content="${writePolicy(script, style)}">`;
      page.source = String(page.source)
        .replace(/\s*<(script type="module"|link rel="(stylesheet|modulepreload)")[^>]*>(<\/script>)?/g, "")
        .replace(/\n\s+/g, "\n")
        .replace("<meta charset=\"utf-8\" />", (charset) => `${charset}\n${policy}`)
        .replace("</head>", () => `<style>${style}</style>\n</head>`)
        .replace("</body>", () => `<script type="module">${script}</script>\n</body>`);
    },
  };
}

export default defineConfig({
  // The API serves the page below its own path.
  base: "./",
  plugins: [inlineEverything()],
  build: {
    // `light-dark()`, `<dialog>`, container queries and `content-visibility`: every browser since 2024.
    target: ["chrome123", "firefox125", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 1_000_000,
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
});
