// Asks a running gateway with the published JavaScript SDK for what it asks at a person and not at a mentor.
//
//   GATEWAY_URL=http://127.0.0.1:8600 GATEWAY_TOKEN=… node tests/sdk/check.mjs node_modules/@iblai/iblai-api/dist/index.esm.js
//
// Exits 0 if every answer is what the SDK's types say, 1 with the first that is not.
import assert from "node:assert/strict";
import { resolve } from "node:path";

const { AiMentorService, OpenAPI } = await import(resolve(process.argv[2]));
const person = { org: process.env.GATEWAY_ORG ?? "acme", userId: process.env.GATEWAY_USER ?? "alice" };
OpenAPI.BASE = process.env.GATEWAY_URL ?? "http://127.0.0.1:8600";
OpenAPI.HEADERS = { Authorization: `Token ${process.env.GATEWAY_TOKEN}` };

const tools = await AiMentorService.aiMentorOrgsUsersMentorToolsList(person);
assert.ok(tools.length > 0, "a person has tools");
for (const tool of tools) {
  assert.deepEqual(
    [typeof tool.id, typeof tool.name, typeof tool.display_name, typeof tool.slug, typeof tool.category.name, typeof tool.is_allowed],
    ["number", "string", "string", "string", "string", "string"],
    JSON.stringify(tool),
  );
}
const categories = await AiMentorService.aiMentorOrgsUsersToolCategoriesList(person);
assert.ok(categories.length > 0, "there are categories");
const names = new Set(categories.map((category) => category.name));
for (const tool of tools) assert.ok(names.has(tool.category.name), `${tool.slug} is in a category that is not listed`);
console.log(`ok: ${tools.length} tools in ${categories.length} categories, as @iblai/iblai-api asks`);
