// Builds vendor.min.js and vendor.LICENSES from what package-lock.json pins. With --check it writes nothing, and
// fails where the two are not byte for byte what they would be.
import {readFileSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

// Plot puts a style element into every chart. The policy of the page allows no styles but its own, which has
// those rules; an element that is refused would be reported as an attack.
const STYLE = /svg\.append\("style"\)\.text\(\s*`[^`]*`\s*\)/;
const withoutStyle = {
  name: "without-style",
  setup({onLoad}) {
    onLoad({filter: /@observablehq\/plot\/src\/plot\.js$/}, ({path}) => {
      const source = readFileSync(path, "utf8");
      if (!STYLE.test(source)) throw new Error(`${path} puts no style element into its charts any more`);
      return {contents: source.replace(STYLE, "svg"), loader: "js"};
    });
  }
};

const built = await build({
  absWorkingDir: here,
  bundle: true,
  charset: "utf8",
  entryPoints: ["vendor.mjs"],
  format: "iife",
  globalName: "vendor",
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
  minify: true,
  outfile: "vendor.min.js",
  plugins: [withoutStyle],
  target: ["chrome113", "firefox113", "safari16.4"],
  write: false
});

const packages = new Set();
for (const path of Object.keys(built.metafile.inputs)) {
  const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) packages.add(found[1]);
}
const licenses = [...packages].sort().map((name) => {
  const folder = join(here, "node_modules", name);
  const {version, license} = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const text = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((file) => {
    try {
      return readFileSync(join(folder, file), "utf8").trim();
    } catch (error) {
      if (error.code === "ENOENT") return "";
      throw error;
    }
  }).find((one) => one);
  if (!text) throw new Error(`${name} comes without its licence`);
  return `${name} ${version} (${license})\n\n${text}\n`;
});

const files = {
  "vendor.min.js": built.outputFiles[0].text,
  "vendor.LICENSES": `vendor.min.js holds parts of these packages.\n\n${licenses.join(`\n${"-".repeat(79)}\n\n`)}`
};
if (/<\/script/i.test(files["vendor.min.js"])) throw new Error("vendor.min.js would end the element it stands in");
for (const [name, text] of Object.entries(files)) {
  const path = join(here, name);
  if (!process.argv.includes("--check")) {
    writeFileSync(path, text);
    console.log(`${name}: ${Buffer.byteLength(text).toLocaleString("en")} bytes`);
  } else if (readFileSync(path, "utf8") !== text) {
    console.error(`${name} is not what ${join(here, "package-lock.json")} gives: npm run build`);
    process.exitCode = 1;
  }
}
