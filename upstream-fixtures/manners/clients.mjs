// Meets every server of the table of manners with an official TypeScript client, and fails if the table says of it what
// is not so:
//   clients.mjs ts1|ts2 DIRECTORY TABLE_URL
// DIRECTORY: where npm put the SDK.
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [which, directory, tableUrl] = process.argv.slice(2);
const require = createRequire(path.join(directory, 'x.js'));
const load = name => import(pathToFileURL(require.resolve(name)));
const PATIENCE_MS = 8000;

const sdk = which === 'ts1'
  ? {
    ...await load('@modelcontextprotocol/sdk/client/index.js'),
    ...await load('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ...await load('@modelcontextprotocol/sdk/client/sse.js'),
  }
  : await load('@modelcontextprotocol/client');

process.on('unhandledRejection', () => {});

// Version 1 has the schema of the answer before the options.
const call = (client, text) => {
  const options = { timeout: PATIENCE_MS };
  const params = { name: 'echo', arguments: { text } };
  return which === 'ts1' ? client.callTool(params, undefined, options) : client.callTool(params, options);
};

async function use(row) {
  const url = new URL(row.path, tableUrl);
  const transport = row.path.endsWith('/sse')
    ? new sdk.SSEClientTransport(url)
    : new sdk.StreamableHTTPClientTransport(url);
  const options = which === 'ts1' ? {} : { versionNegotiation: { mode: 'legacy' } };
  const client = new sdk.Client({ name: 'manners', version: '1' }, { capabilities: {}, ...options });
  try {
    await client.connect(transport, { timeout: PATIENCE_MS });
    const { tools } = await client.listTools({}, { timeout: PATIENCE_MS });
    if (tools[0]?.name !== 'echo') throw new Error(`the list is ${JSON.stringify(tools)}`);
    for (const text of ['one', 'two']) {
      const called = await call(client, text);
      if (called.content[0].text !== text) throw new Error(`the answer is ${JSON.stringify(called)}`);
    }
  } finally {
    client.close().catch(() => {});
  }
}

const within = (ms, promise) => Promise.race([
  promise, new Promise((_, reject) => setTimeout(() => reject(new Error('it does not end')), ms)),
]);

const table = await (await fetch(tableUrl)).json();
const used = await Promise.all(table.map(async row => {
  try {
    await within(3 * PATIENCE_MS, use(row));
    return [row.name, ''];
  } catch (error) {
    return [row.name, String(error?.message ?? error).slice(0, 200) || 'an error without words'];
  }
}));
const said = new Map(table.map(row => [row.name, row.takenBy.includes(which)]));
const wrong = used.filter(([name, error]) => (error === '') !== said.get(name));
for (const [name, error] of wrong) {
  console.error(`${which}: ${name} is ${error === '' ? 'used' : `not used: ${error}`}, and the table says otherwise`);
}
console.error(`${which}: ${used.filter(([, error]) => error === '').length} of ${table.length} manners are used`);
process.exit(wrong.length === 0 ? 0 : 1);
