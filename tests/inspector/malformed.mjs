// Malformed items of a server, through a mentor, as both TypeScript SDKs parse them in each era: none costs the list.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { INSTALLED, DATA_DIR, URL: base } = process.env;
const require = createRequire(path.join(INSTALLED, 'x.js'));
const load = name => import(pathToFileURL(require.resolve(name)));

const legacy = {
  ...await load('@modelcontextprotocol/sdk/client/index.js'),
  ...await load('@modelcontextprotocol/sdk/client/streamableHttp.js'),
};
const modern = await load('@modelcontextprotocol/client');
const eras = [
  { name: 'sdk 1, with sessions', sdk: legacy, options: {} },
  { name: 'sdk 2, with sessions', sdk: modern, options: { versionNegotiation: { mode: 'legacy' } } },
  { name: 'sdk 2, stateless', sdk: modern, options: { versionNegotiation: { mode: { pin: '2026-07-28' } } } },
];
const LISTS = {
  'tools/list': ['tools', 'listTools', 'name'],
  'prompts/list': ['prompts', 'listPrompts', 'name'],
  'resources/list': ['resources', 'listResources', 'uri'],
  'resources/templates/list': ['resourceTemplates', 'listResourceTemplates', 'uriTemplate'],
};

const icons = () => [{ src: 'https://example.com/a.png', mimeType: 'image/png', sizes: ['48x48'], theme: 'dark' }];
const schema = () => ({
  $schema: 'http://json-schema.org/draft-07/schema#', $id: 'https://example.com/s', type: 'object', title: 'T',
  properties: { a: { type: 'string', pattern: '^a+$', enum: ['a'], nullable: true, format: 'uri' }, b: { $ref: '#/$defs/b' } },
  patternProperties: { '^x-': { minimum: 1, maximum: 2, multipleOf: 0.5 } }, required: ['a'], additionalProperties: false,
  allOf: [{ if: { required: ['a'] }, then: {}, else: {} }], anyOf: [{}], oneOf: [{}], not: { const: 1 },
  dependencies: { a: ['b'] }, dependentRequired: { a: ['b'] }, propertyNames: { maxLength: 5 }, minProperties: 0,
  $defs: { b: { type: ['array', 'null'], items: { uniqueItems: true, minItems: 1, contains: {} } } },
});
const annotations = () => ({ audience: ['user'], priority: 0.5, lastModified: '2025-01-12T15:00:58Z' });
const common = name => ({ name, title: 'A title', description: 'Says.', icons: icons(), _meta: { 'a.example/b': 1 } });
const good = {
  tools: name => ({
    ...common(name), inputSchema: schema(), outputSchema: { ...schema(), $id: `https://example.com/${name}` },
    annotations: { title: 'A', readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    execution: { taskSupport: 'optional' },
  }),
  prompts: name => ({ ...common(name), arguments: [{ name: 'a', title: 'A', description: 'What.', required: true }] }),
  resources: name => ({ ...common(name), uri: `test://${name}`, mimeType: 'text/plain', size: 7, annotations: annotations() }),
  resourceTemplates: name => ({ ...common(name), uriTemplate: `test://${name}/{id}`, mimeType: 'text/plain', annotations: annotations() }),
};
const WRONG = [null, -5, 1.5, 'wrong \u202e', '', true, [], [null], ['wrong'], {}, { type: 'array' }, { wrong: null }, '(?P<x>'];

// The paths of everything in a value, and the same value with something else there.
function* places(value, at = []) {
  if (value === null || typeof value !== 'object') return;
  for (const name of Object.keys(value)) {
    yield [...at, name];
    yield* places(value[name], [...at, name]);
  }
}
function changed(item, place, wrong) {
  const parent = place.slice(0, -1).reduce((value, name) => value[name], item);
  if (wrong === undefined) delete parent[place.at(-1)];
  else parent[place.at(-1)] = wrong;
  return item;
}
// Numbers that look random and are the same in every run.
let seed = 20261130;
function upTo(count) {
  seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return (seed >> 8) % count;
}
const KEYWORDS = ['type', '$ref', 'properties', 'items', 'anyOf', 'not', 'if', 'enum', 'required', 'pattern', 'patternProperties',
  'dependencies', '$defs', '$id', 'id', 'nullable', 'format', 'minimum', 'multipleOf', 'maxLength', 'contains', 'propertyNames',
  'additionalProperties', 'prefixItems', '$anchor', '$dynamicRef', '$async', '$schema', 'discriminator', '__proto__', 'constructor'];
const VALUES = [null, 0, 1.5, 'x', '#', '#/properties/a', '#/$defs/b', '#/$defs/zz', '#foo', 'http://x/y', 'x#/a', 'object', '[',
  true, false, [], {}, [{}], [true], ['a', 'a'], { a: 'b' }, { a: ['b'] }, { $ref: '#' }, { $ref: '#/properties/a' },
  { properties: { a: { $ref: '#' } } }, { enum: [] }, { '[': {} }, { $id: 'u', $ref: 'u' }, { $id: 'https://example.com/s' },
  { nullable: true }, { items: [{}, {}] }, { if: true, then: false }];
// A few things of an item changed, or added where nobody expects them.
function shaken(item) {
  for (let left = 1 + upTo(4); left > 0; left -= 1) {
    const all = [...places(item)];
    const place = all[upTo(all.length)];
    const value = structuredClone(VALUES[upTo(VALUES.length)]);
    const parent = place.slice(0, -1).reduce((value, name) => value[name], item);
    if (upTo(2) || Array.isArray(parent)) changed(item, place, value);
    else changed(item, [...place.slice(0, -1), KEYWORDS[upTo(KEYWORDS.length)]], value);
  }
  return item;
}
function badItems(member) {
  const items = Array.from({ length: 300 }, (_, at) => shaken(good[member](`shaken${at}`)));
  for (const place of places(good[member]('x'))) {
    for (const wrong of [...WRONG, undefined]) items.push(changed(good[member](`bad${items.length}`), place, wrong));
  }
  return items;
}

// A server of the stateless era with these items.
async function server(items) {
  const listener = http.createServer((request, response) => {
    let body = '';
    request.on('data', piece => { body += piece; });
    request.on('end', () => {
      const { id, method } = JSON.parse(body);
      if (id === undefined) return response.writeHead(202).end();
      const cacheable = { resultType: 'complete', ttlMs: 60000, cacheScope: 'private' };
      const capabilities = { tools: {}, prompts: {}, resources: {} };
      const member = LISTS[method]?.[0];
      const answer = method === 'server/discover'
        ? { result: { ...cacheable, supportedVersions: ['2026-07-28'], capabilities } }
        : member
          ? { result: { ...cacheable, [member]: items[member] } }
          : { error: { code: -32601, message: 'Method not found' } };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
    });
  });
  await new Promise(resolve => listener.listen(0, '127.0.0.1', resolve));
  listener.unref();
  return `http://127.0.0.1:${listener.address().port}/mcp`;
}

const token = fs.readFileSync(path.join(DATA_DIR, 'alice.token'), 'utf8').trim();
const api = `${base}/api/ai-mentor/orgs/acme/users/alice`;
async function rest(method, where, body) {
  const headers = { authorization: `Token ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${api}/${where}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${where}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}
async function register(name, items) {
  const made = await rest('POST', 'mcp-servers/', { name, url: await server(items), transport: 'streamable_http' });
  return made.id;
}

const bad = Object.fromEntries(Object.keys(good).map(member => [member, badItems(member)]));
const well = Object.fromEntries(Object.keys(good).map(member => [member, [good[member]('good')]]));
const servers = [await register('Malformed', bad), await register('Well', well)];
const mentor = await rest('POST', '', { name: 'Malformed items' });
await rest('PATCH', `mentors/${mentor.unique_id}/settings/`, { tools: ['mcp-tool'], mcp_servers: servers });

// Without the gateway each of these lists is lost.
const direct = new modern.Client({ name: 'malformed', version: '1' }, { capabilities: {}, ...eras[2].options });
await direct.connect(new modern.StreamableHTTPClientTransport(new URL(await server(bad))));
for (const [, list] of Object.values(LISTS)) await assert.rejects(direct[list](), `${list} takes malformed items`);
await direct.close();

for (const era of eras) {
  for (const endpoint of [`mentors/${mentor.unique_id}`, ...servers.map(id => `servers/${id}`)]) {
    const transport = new era.sdk.StreamableHTTPClientTransport(
      new URL(`${base}/mcp/${endpoint}/`), { requestInit: { headers: { authorization: `Token ${token}` } } });
    const client = new era.sdk.Client({ name: 'malformed', version: '1' }, { capabilities: {}, ...era.options });
    await client.connect(transport);
    for (const [member, list] of Object.values(LISTS)) {
      const items = [];
      let cursor;
      do {
        const page = await client[list](cursor ? { cursor } : undefined);
        items.push(...page[member]);
        cursor = page.nextCursor;
      } while (cursor);
      const goods = items.filter(item => item.name.endsWith('good')).length;
      assert.equal(goods, endpoint === `servers/${servers[0]}` ? 0 : 1, `${era.name} ${endpoint} ${member}`);
      const count = bad[member].length;
      if (endpoint !== `servers/${servers[1]}`) assert.ok(items.length > count / 2, `${items.length} of ${count} ${member}`);
    }
    await client.close();
  }
  console.error(`${era.name}: malformed items cost no list`);
}
process.exit(0);
