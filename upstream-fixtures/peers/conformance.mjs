// Runs the scenarios one process each, so that one that hangs does not take the rest with it, and
// counts what was really checked: conformance.mjs PEER URL REVISION [SCENARIO...]
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SCENARIO_MS_MAX = 60_000;
// Comes with every scenario and says nothing about it.
const NOT_A_CHECK = "wire-schema-valid";

const [peer, url, revision, ...wanted] = process.argv.slice(2);
const cli = join(peer, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
const areExtensions = revision === "extensions";
const version = areExtensions ? [] : ["--spec-version", revision];

function run(...args) {
  const options = { encoding: "utf8", timeout: SCENARIO_MS_MAX, killSignal: "SIGKILL" };
  return spawnSync(process.execPath, [cli, ...args], options);
}

function names() {
  const listed = run("list", "--server", ...version).stdout.matchAll(/^ {2}- (\S+)(.*)$/gm);
  const fitting = [...listed].filter(([, , tags]) => !areExtensions || tags.includes("[extension]"));
  return fitting.map(([, name]) => name);
}

function score(name) {
  const results = mkdtempSync(join(tmpdir(), "conformance-"));
  const { signal } = run("server", "--url", url, "--scenario", name, "-o", results, ...version);
  const [file] = globSync(join(results, "**/checks.json"));
  const checks = file ? JSON.parse(readFileSync(file, "utf8")) : [];
  rmSync(results, { recursive: true });
  const failed = checks.filter(({ status }) => status === "FAILURE");
  const passed = checks.filter(({ status }) => status === "SUCCESS");
  const verdict = () => {
    if (signal) return "hangs";
    if (!file) return "crashes";
    if (failed.length > 0) return "fails";
    return passed.some(({ id }) => id !== NOT_A_CHECK) ? "passes" : "skipped";
  };
  return { name, verdict: verdict(), passed: passed.length, failed };
}

const scores = (wanted.length > 0 ? wanted : names()).map((name) => {
  const one = score(name);
  console.log(`${one.verdict.padEnd(8)} ${name} (${one.passed} checks)`);
  for (const { id, errorMessage } of one.failed) console.log(`         ${id}: ${errorMessage}`);
  return one;
});
const count = (verdict) => scores.filter((one) => one.verdict === verdict).length;
console.log(`${revision}: ${count("passes")} of ${scores.length} pass, ${count("skipped")} skipped`);
process.exit(scores.length > 0 && count("passes") + count("skipped") === scores.length ? 0 : 1);
