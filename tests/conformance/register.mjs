// Registers an upstream without credentials and prints its number: register.mjs BASE-URL UPSTREAM-URL, TOKEN in the
// environment.
const [base, url] = process.argv.slice(2);
const answer = await fetch(`${base}/mcp-servers/`, {
  method: "POST",
  headers: { authorization: `Token ${process.env.TOKEN}`, "content-type": "application/json" },
  body: JSON.stringify({ name: "Conformance", url, transport: "streamable_http", auth_type: "none" }),
});
const server = await answer.json();
if (answer.status !== 201) throw new Error(`${answer.status}: ${JSON.stringify(server)}`);
console.log(server.id);
