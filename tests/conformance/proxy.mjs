// Stands between the conformance suite and a server, because the suite can send no header of ours and always asks
// for the same revision: proxy.mjs TARGET-URL. Prints its own URL, then passes everything through unbuffered.
//   PROXY_AUTHORIZATION   the Authorization header to add
//   PROXY_REVISION        the revision that `initialize` asks for, instead of the suite's
import http from "node:http";

const target = new URL(process.argv[2]);
const { PROXY_AUTHORIZATION: authorization, PROXY_REVISION: revision } = process.env;

function rewritten(body) {
  if (!revision || !body.includes('"initialize"')) return body;
  try {
    const message = JSON.parse(body);
    if (message.method !== "initialize") return body;
    message.params.protocolVersion = revision;
    return Buffer.from(JSON.stringify(message));
  } catch {
    return body; // What is not JSON is the server's to refuse.
  }
}

const server = http.createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = rewritten(Buffer.concat(pieces));
  const headers = { ...request.headers };
  const own = `localhost:${server.address().port}`;
  // Only our own name becomes the target's: a foreign Host or Origin is what a scenario is about.
  if (headers.host === own) headers.host = target.host;
  if (headers.origin === `http://${own}`) headers.origin = target.origin;
  if (authorization) headers.authorization ??= authorization;
  delete headers["transfer-encoding"];
  if (body.length > 0) headers["content-length"] = String(body.length);
  const { hostname: host, port } = target;
  const onward = http.request({ host, port, method: request.method, path: request.url, headers });
  onward.on("response", (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  onward.on("error", (error) => {
    if (response.headersSent) return response.destroy();
    response.writeHead(502).end(String(error));
  });
  // Whoever hangs up on us hangs up on the server.
  response.on("close", () => onward.destroy());
  onward.end(body);
});

server.listen(0, "127.0.0.1", () => {
  console.log(`http://localhost:${server.address().port}${target.pathname}`);
});
