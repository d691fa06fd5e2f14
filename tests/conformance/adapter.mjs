// Puts the gateway between the suite's client scenarios and their mock servers: registers each mock and names the
// endpoint that stands for it. GATEWAY_API is the admin's REST path, GATEWAY_URL the gateway, TOKEN the admin's key.
const { GATEWAY_API: api, GATEWAY_URL: gateway, TOKEN: token } = process.env;
const headers = { authorization: `Token ${token}`, "content-type": "application/json" };

export async function open({ url }) {
  const body = JSON.stringify({ name: `Mock ${Date.now()}`, url, transport: "streamable_http" });
  const made = await fetch(`${api}/mcp-servers/`, { method: "POST", headers, body });
  if (!made.ok) throw new Error(`registering: ${made.status} ${await made.text()}`);
  const { id } = await made.json();
  return {
    mcpUrl: `${gateway}/mcp/servers/${id}/`,
    headers: { authorization: headers.authorization },
    close: () => fetch(`${api}/mcp-servers/${id}/`, { method: "DELETE", headers }),
  };
}
