// Sends one request to a gateway's REST API and prints a field of the answer: api.mjs METHOD URL JSON [FIELD], TOKEN
// in the environment.
const [method, url, body, field] = process.argv.slice(2);
const headers = { authorization: `Token ${process.env.TOKEN}`, "content-type": "application/json" };
const answer = await fetch(url, { method, headers, body });
const text = await answer.text();
if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
if (field) console.log(JSON.parse(text)[field]);
