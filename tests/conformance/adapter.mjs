// Puts the gateway between the suite's client scenarios and their mock servers: registers each mock and names the
// endpoint that stands for it. GATEWAY_API is the admin's REST path, GATEWAY_URL the gateway, TOKEN the admin's key.
const { GATEWAY_API: api, GATEWAY_URL: gateway, TOKEN: token } = process.env;
const headers = { authorization: `Token ${token}`, "content-type": "application/json" };
const [, org, user] = /orgs\/([^/]+)\/users\/([^/]+)/.exec(api);
const accounts = `${gateway}/api/accounts`;

async function send(method, url, body) {
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

// Signs the person in as their browser and their chat client do it together: the client begins, the browser goes to
// the provider, which sends it back at once, and the client brings the answer.
async function signIn(id, url, context) {
  const service = await send("POST", `${api}/mcp-servers/oauth-find/`, { url });
  const name = `auth_${service.oauth_provider}`;
  if (context.client_id) {
    const { client_id, client_secret } = context;
    const value = { client_id, client_secret, redirect_uri: `${accounts}/connected-services/callback/` };
    const known = { name, value, platform: org };
    await send("POST", `${accounts}/orgs/${org}/integration-credential/`, known).catch(() =>
      send("PATCH", `${accounts}/orgs/${org}/integration-credential/`, known));
  }
  const start = `${accounts}/connected-services/orgs/${org}/users/${user}/${service.oauth_provider}/${service.name}/?server=${id}`;
  const { auth_url } = await send("GET", start);
  const back = (await fetch(auth_url, { redirect: "manual" })).headers.get("location");
  await send("GET", back);
}

// Whether the mock takes the token that it led to. One that moved to another authorization server meanwhile does not.
async function takesToken(id) {
  const version = "2026-07-28";
  const answer = await fetch(`${gateway}/mcp/servers/${id}/`, {
    method: "POST",
    headers: {
      ...headers, accept: "application/json, text/event-stream", "mcp-protocol-version": version, "mcp-method": "tools/list",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: {
      "io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {},
    } } }),
  });
  const { error } = await answer.json();
  // Refused, or the person is to sign in anew because of that; a token that lacks a scope was taken.
  const asksAnew = error?.data?.kind === "sign_in_needed" && !error.message.includes(" lacks ");
  return error?.data?.kind !== "unauthorized" && !asksAnew;
}

export async function open({ url, scenario, context }) {
  const isAuth = scenario.startsWith("auth/");
  const { id } = await send("POST", `${api}/mcp-servers/`, {
    name: `Mock ${Date.now()}`, url, transport: "streamable_http",
    ...(isAuth ? { auth_type: "oauth2", auth_scope: "user" } : {}),
  });
  let tries = 0;
  return {
    mcpUrl: `${gateway}/mcp/servers/${id}/`,
    headers: { authorization: headers.authorization },
    // What the harness then opens is beside the point: the person is signed in.
    authorizeUrl: isAuth ? async () => {
      // A person does not try for ever.
      if (++tries > 3) return undefined;
      try {
        await signIn(id, url, context);
        if (!(await takesToken(id))) await signIn(id, url, context);
      } catch (error) {
        console.error("[adapter]", error.message);
        return undefined;
      }
      return `${gateway}/health/live`;
    } : undefined,
    close: () => send("DELETE", `${api}/mcp-servers/${id}/`),
  };
}
