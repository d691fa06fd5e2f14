// Both TypeScript SDKs, in both eras, over HTTP and stdio: list, call, be refused, read, complete, hear of progress.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { INSTALLED, GATEWAY, DATA_DIR, URL: base } = process.env;
const require = createRequire(path.join(INSTALLED, 'x.js'));
const load = name => import(pathToFileURL(require.resolve(name)));

const legacy = {
  ...await load('@modelcontextprotocol/sdk/client/index.js'),
  ...await load('@modelcontextprotocol/sdk/client/streamableHttp.js'),
  ...await load('@modelcontextprotocol/sdk/client/stdio.js'),
};
const modern = { ...await load('@modelcontextprotocol/client'), ...await load('@modelcontextprotocol/client/stdio') };

const key = (user, kind) => fs.readFileSync(path.join(DATA_DIR, `${user}.${kind}.key`), 'utf8').trim();

const eras = [
  { name: 'sdk 1, with sessions', sdk: legacy, options: {} },
  { name: 'sdk 2, with sessions', sdk: modern, options: { versionNegotiation: { mode: 'legacy' } } },
  { name: 'sdk 2, stateless', sdk: modern, options: { versionNegotiation: { mode: { pin: '2026-07-28' } } } },
];

async function connected(era, transport) {
  const client = new era.sdk.Client({ name: 'clients', version: '1' }, { capabilities: {}, ...era.options });
  await client.connect(transport);
  return client;
}

const http = (era, face, key) => new era.sdk.StreamableHTTPClientTransport(
  new URL(`${base}/mcp/${face}/`), { requestInit: { headers: { Authorization: `Bearer ${key}` } } });

const stdio = (era, key) => new era.sdk.StdioClientTransport({
  command: GATEWAY, args: ['stdio', '--server', 'v2'], env: { ACADEMY_API_KEY: key, ACADEMY_BASE_URL: base } });

async function firstFace(era) {
  const client = await connected(era, http(era, 'v1', key('alice', 'aea')));
  assert.equal((await client.listTools()).tools.length, 10);
  const steps = [];
  const enrollments = Array.from({ length: 100 }, (_, at) => ({ userId: `usr_nobody_${at}`, cohortId: 'coh_xyz789' }));
  const heard = { onprogress: step => steps.push(step.message) };
  // SDK 1 has the schema of the answer before the options.
  const options = era.sdk === legacy ? [undefined, heard] : [heard];
  const many = await client.callTool({ name: 'create_enrollment', arguments: { enrollments } }, ...options);
  assert.equal(many.structuredContent.totalFailed, 100);
  // An SDK drops what it reads in one piece with the answer.
  assert.equal(steps[0], 'usr_nobody_0: failed: The requested user does not exist.');
  await client.close();
}

async function secondFace(era, transport) {
  const client = await connected(era, transport);
  assert.equal((await client.listTools()).tools.length, 10);
  assert.equal((await client.listResources()).resources.length, 1);
  assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 4);
  const called = await client.callTool({ name: 'academy_get_enrollments', arguments: { status: 'all' } });
  assert.ok(called.structuredContent.enrollments.some(enrollment => enrollment.id === 'enr_123'));
  const refused = await client.callTool({ name: 'academy_admin_list_cohorts', arguments: {} });
  assert.ok(refused.isError);
  assert.equal(JSON.parse(refused.content[0].text).error.code, 'SCOPE_REQUIRED');
  const read = await client.readResource({ uri: 'academy://enrollments/usr_456' });
  assert.equal(JSON.parse(read.contents[0].text).userId, 'usr_456');
  const completed = await client.complete({
    ref: { type: 'ref/resource', uri: 'academy://enrollments/{userId}' }, argument: { name: 'userId', value: 'usr_4' } });
  assert.deepEqual(completed.completion.values, ['usr_456']);
  await client.close();
}

// A key may call ten times within a second (docs/inside/academy.md#81-overview-of-v2); each client is nearly there.
const BURST_MS = 1100;
const rest = () => new Promise(resolve => setTimeout(resolve, BURST_MS));

for (const era of eras) {
  await firstFace(era);
  await rest();
  await secondFace(era, http(era, 'v2', key('bob', 'mcp')));
  await rest();
  await secondFace(era, stdio(era, key('bob', 'mcp')));
  console.error(`${era.name}: ok`);
}
