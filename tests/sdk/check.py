"""Drives a running gateway with the published Python SDK and parses every kind of answer with its strict models.

    pip install iblai==4.202.2
    GATEWAY_URL=http://127.0.0.1:8600 GATEWAY_TOKEN=… [GATEWAY_ORG=acme] [GATEWAY_USER=alice] python tests/sdk/check.py

With GATEWAY_PROVIDER_PORT the gateway's catalog has a provider `sdk` whose token endpoint is played here, on that port.
The token is an admin's. Exits 0 if every step passed, 1 with the failures otherwise. What it creates it deletes.
"""

import asyncio
import json
import os
import sys
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from iblai.api.ai_account_api import AiAccountApi
from iblai.api.ai_mentor_api import AiMentorApi
from iblai.clients import get_platform_api_client
from iblai.helpers.mentor_async import chat_with_mentor_async, create_chat_session
from iblai.models.chat_session_request import ChatSessionRequest
from iblai.models.chat_session_response import ChatSessionResponse
from iblai.models.connected_service import ConnectedService
from iblai.models.credential_request import CredentialRequest
from iblai.models.error import Error
from iblai.models.integration_credential import IntegrationCredential
from iblai.models.integration_credential_schema import IntegrationCredentialSchema
from iblai.models.masked_integration_credential import MaskedIntegrationCredential
from iblai.models.mcp_server import MCPServer
from iblai.models.mcp_server_connection import MCPServerConnection
from iblai.models.mentor import Mentor
from iblai.models.mentor_settings import MentorSettings
from iblai.models.mentor_settings_public import MentorSettingsPublic
from iblai.models.message_view import MessageView
from iblai.models.message_view_request import MessageViewRequest
from iblai.models.o_auth_provider import OAuthProvider
from iblai.models.o_auth_service import OAuthService
from iblai.models.o_auth_start_response import OAuthStartResponse
from iblai.models.paginated_mcp_server_connection_list import PaginatedMCPServerConnectionList
from iblai.models.paginated_mcp_server_list import PaginatedMCPServerList
from iblai.models.paginated_mentor_list import PaginatedMentorList
from iblai.models.patched_credential_request import PatchedCredentialRequest
from iblai.models.stop_generation_request import StopGenerationRequest
from iblai.models.tool_category import ToolCategory
from iblai.models.tool_response import ToolResponse

URL = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8600")
ORG = os.environ.get("GATEWAY_ORG", "acme")
USER = os.environ.get("GATEWAY_USER", "alice")
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
SERVER_URL = "https://workflow-mcp.example.com"
PROVIDER_PORT = os.environ.get("GATEWAY_PROVIDER_PORT")

client = get_platform_api_client(URL, os.environ["GATEWAY_TOKEN"])
api = AiMentorApi(client)
account = AiAccountApi(client)
failures = []


def read(what, response, status, model=None):
    """The JSON of a raw SDK answer, parsed by its model. The SDK itself checks neither status nor shape."""
    raw = getattr(response, "data", b"") or b""
    if response.status != status:
        failures.append(f"{what}: HTTP {response.status} instead of {status}: {raw[:300]!r}")
        return None
    body = json.loads(raw) if raw else None
    for item in [] if model is None else body if isinstance(body, list) else [body]:
        try:
            model.from_dict(item)
        except Exception as error:
            failures.append(f"{what}: {model.__name__}: {error}")
    if model is not None and isinstance(body, dict):
        kind = response.headers.get("content-type", "")
        if not kind.startswith("application/json"):
            failures.append(f"{what}: content type {kind}")
    return body


def call(path, model, what=None):
    """A GET that the SDK has no method for, or whose method does more than ask."""
    method, url, headers, *_ = client.param_serialize(
        method="GET", resource_path=path, path_params={}, query_params=[], header_params={},
        body=None, post_params=[], files={}, auth_settings=["PlatformApiKeyAuthentication"],
    )
    # The SDK's own methods return the transport's answer too, not the wrapper around it.
    response = client.call_api(method, url, headers).response
    return read(what or path, response, 200, model)


def create_server(name, content_type, **fields):
    """As every SDK user must: read-only fields with invented values, and a form media type."""
    now = datetime.now(timezone.utc)
    return api.ai_mentor_orgs_users_mcp_servers_create(
        ORG, USER, id=0, platform=0, name=name, url=SERVER_URL, platform_key="", oauth_service_data={},
        mcp_server_connections="", created_at=now, updated_at=now, _content_type=content_type, **fields,
    )


def connection(server, **fields):
    now = datetime.now(timezone.utc)
    return MCPServerConnection(
        id=0, server=server, server_name="", platform_key=None, connected_service_summary=None,
        created_at=now, updated_at=now, **fields,
    )


def servers():
    fields = dict(transport="sse", is_featured=True, auth_type="token", credentials="Bearer super-secret-api-key")
    one = read("create by multipart", create_server("SDK one", MULTIPART, extra_headers={"x-a": "b"}, **fields), 201, MCPServer)
    two = read("create by urlencoded", create_server("SDK two", URLENCODED, extra_headers={"x-a": "b"}, **fields), 201, MCPServer)
    for server in filter(None, [one, two]):
        OAuthService.from_dict(server["oauth_service_data"])
        expected = {"is_featured": True, "transport": "sse", "extra_headers": {"x-a": "b"}, "credentials": "Bearer sup****key"}
        for name, value in expected.items():
            if server[name] != value:
                failures.append(f"server field {name}: {server[name]!r} instead of {value!r}")
    empty = api.ai_mentor_orgs_users_mcp_servers_create
    now = datetime.now(timezone.utc)
    refused = empty(
        ORG, USER, id=0, platform=0, name="x", url=SERVER_URL, platform_key="", oauth_service_data={},
        mcp_server_connections="", created_at=now, updated_at=now,
    )
    read("the SDK's default body", refused, 400)
    listed = api.ai_mentor_orgs_users_mcp_servers_list
    page = read("list servers", listed(ORG, USER, page_size=12, is_featured=True, search="SDK"), 200, PaginatedMCPServerList)
    if page and page["count"] < 2:
        failures.append(f"list servers: {page['count']} of 2 found")
    mentor = uuid.uuid4()
    read("list by mentor", listed(ORG, USER, mentor_unique_id=mentor, include_global=True), 200, PaginatedMCPServerList)
    retrieve = api.ai_mentor_orgs_users_mcp_servers_retrieve
    read("read server", retrieve(one["id"], ORG, USER), 200, MCPServer)
    patch = api.ai_mentor_orgs_users_mcp_servers_partial_update
    changed = read("patch server", patch(one["id"], ORG, USER, is_enabled=False, _content_type=MULTIPART), 200, MCPServer)
    if changed and changed["is_enabled"] is not False:
        failures.append("patch server: is_enabled stayed")
    return one["id"], two["id"]


def connections(server, mentor):
    create = api.ai_mentor_orgs_users_mcp_server_connections_create
    made = []
    for fields in [
        dict(scope="platform", auth_type="token", credentials="super-secret-api-key", authorization_scheme="Bearer"),
        dict(scope="user", auth_type="token", credentials="k", user=USER, extra_headers={"x-a": "b"}),
        dict(scope="mentor", auth_type="token", credentials="of-the-mentor", mentor=mentor),
    ]:
        row = read(f"create {fields['scope']} connection", create(ORG, USER, connection(server, **fields)), 201, MCPServerConnection)
        made.extend([row["id"]] if row else [])
    read("refused connection", create(ORG, USER, connection(server, scope="mentor", auth_type="oauth2")), 400)
    listed = api.ai_mentor_orgs_users_mcp_server_connections_list
    page = read("list connections", listed(ORG, USER, server=float(server)), 200, PaginatedMCPServerConnectionList)
    if page and page["count"] != len(made):
        failures.append(f"list connections: {page['count']} instead of {len(made)}")
    for row in made:
        read("read connection", api.ai_mentor_orgs_users_mcp_server_connections_retrieve(row, ORG, USER), 200, MCPServerConnection)
        read("delete connection", api.ai_mentor_orgs_users_mcp_server_connections_destroy(row, ORG, USER), 204)


def mentors(server_ids):
    base = f"/api/ai-mentor/orgs/{ORG}/users/{USER}/"
    create = api.ai_mentor_orgs_users_mentor_with_settings_create
    mentor = read(
        "create mentor",
        create(ORG, USER, template_name="ai-mentor", new_mentor_name=f"SDK {uuid.uuid4()}", tool_slugs=["mcp-tool"],
               mcp_servers=list(server_ids), _content_type=MULTIPART),
        200, Mentor,
    )
    unique_id = mentor["unique_id"]
    update = api.ai_mentor_orgs_users_mentors_settings_update
    settings = read(
        "put settings",
        update(unique_id, ORG, USER, can_use_tools=True, tool_slugs=["mcp-tool", "web-search"], mcp_servers=list(server_ids),
               metadata={"a": [1]}, theme="dark", disable_chathistory=True, google_voice=3,
               greeting_method="proactive_prompt", allow_anonymous=True, _content_type=MULTIPART),
        200, MentorSettings,
    )
    if settings and (settings["tools"], [s["id"] for s in settings["mcp_servers"]]) != (["mcp-tool", "web-search"], list(server_ids)):
        failures.append(f"put settings: {settings['tools']} {settings['mcp_servers']}")
    retrieve = api.ai_mentor_orgs_users_mentors_settings_retrieve
    read("get settings", retrieve(unique_id, ORG, USER), 200, MentorSettingsPublic)
    call(f"{base}mentors/{unique_id}/settings/", MentorSettings, "get settings in full")
    public = api.ai_mentor_orgs_users_mentors_public_settings_retrieve
    read("public settings", public(unique_id, ORG, "undefined"), 200, MentorSettingsPublic)
    call(base, PaginatedMentorList, "list mentors")
    call(f"{base}mentors/{unique_id}/", Mentor, "read mentor")
    call(f"{base}mentors/{unique_id}/available-tools/", ToolResponse)
    call(f"{base}mentors/{unique_id}/mentor-tools/", ToolResponse)
    call(f"{base}mentors/{unique_id}/tool-categories/", ToolCategory)
    # As the SDK itself asks: at the person, not at a mentor.
    tools = read("tools of a person", api.ai_mentor_orgs_users_mentor_tools_list(ORG, USER), 200, ToolResponse)
    categories = read("categories of a person", api.ai_mentor_orgs_users_tool_categories_list(ORG, USER), 200, ToolCategory)
    if not tools or not categories:
        failures.append(f"tools of a person: {tools} {categories}")
    return unique_id


class TokenEndpoint(BaseHTTPRequestHandler):
    """What the provider `sdk` says to every code."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"access_token": "at", "refresh_token": "rt", "token_type": "Bearer", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def connectors():
    for model in (OAuthService, OAuthProvider):
        read("list services", account.ai_account_orgs_oauth_services_list(ORG), 200, model)
        read("scopes", account.ai_account_orgs_oauth_services_scopes_list(ORG, "drive"), 200, model)
    name = "auth_sdk" if PROVIDER_PORT else "auth_google"
    value = {"client_id": "123456.apps.example", "client_secret": "super-secret-api-key"}
    body = CredentialRequest(name=name, value=value, platform=ORG)
    made = read("store credential", account.ai_account_orgs_integration_credential_create(ORG, body), 200, IntegrationCredential)
    if made and made["value"]["client_secret"] != "sup****key":
        failures.append(f"store credential: {made['value']}")
    read("store it again", account.ai_account_orgs_integration_credential_create(ORG, body), 400)
    patch = account.ai_account_orgs_integration_credential_partial_update
    change = PatchedCredentialRequest(name=name, value=value, platform=ORG)
    read("change credential", patch(ORG, change), 200, IntegrationCredential)
    read("list credentials", account.ai_account_orgs_integration_credential_retrieve(ORG), 200, IntegrationCredential)
    read("list masked", account.ai_account_orgs_masked_integration_credential_list(ORG), 200, MaskedIntegrationCredential)
    schema = account.ai_account_orgs_integration_credential_schema_retrieve
    read("schema", schema(ORG), 200, IntegrationCredentialSchema)
    read("delete without a body", account.ai_account_orgs_integration_credential_destroy(ORG), 400)
    find = api.ai_mentor_orgs_users_mcp_servers_oauth_find_create
    refused = read("find a service", find(ORG, USER, url="http://10.1.1.1/mcp", _content_type=MULTIPART), 400, Error)
    if refused != {"error": "The URL is not allowed.", "detail": "The URL is not allowed."}:
        failures.append(f"find a service: {refused}")
    if PROVIDER_PORT:
        connected_services()
    # The SDK's own method has no way to say which; the published clients send this body.
    method, url, headers, body, post = client.param_serialize(
        method="DELETE", resource_path=f"/api/ai-account/orgs/{ORG}/integration-credential/", path_params={},
        query_params=[], header_params={"Content-Type": "application/json"}, body={"name": name, "platform": ORG},
        post_params=[], files={}, auth_settings=["PlatformApiKeyAuthentication"],
    )
    read("delete credential", client.call_api(method, url, headers, body, post).response, 204)


def connected_services():
    provider = HTTPServer(("127.0.0.1", int(PROVIDER_PORT)), TokenEndpoint)
    Thread(target=provider.serve_forever, daemon=True).start()
    base = f"/api/ai-account/connected-services/orgs/{ORG}/users/{USER}/"
    started = call(f"{base}sdk/files/", OAuthStartResponse, "start")
    state = parse_qs(urlsplit(started["auth_url"]).query)["state"][0]
    method, url, headers, *_ = client.param_serialize(
        method="GET", resource_path="/api/ai-account/connected-services/callback/", path_params={},
        query_params=[("state", state), ("code", "c"), ("authuser", "0")], header_params={}, body=None, post_params=[],
        files={}, auth_settings=["PlatformApiKeyAuthentication"],
    )
    made = read("callback", client.call_api(method, url, headers).response, 200, ConnectedService)
    if not made:
        return
    listed = account.ai_account_connected_services_orgs_users_list(ORG, USER, provider="sdk", ordering="-id")
    rows = read("list connected", listed, 200, ConnectedService)
    if rows != [made]:
        failures.append(f"list connected: {rows} instead of {[made]}")
    one = account.ai_account_connected_services_orgs_users_retrieve(made["id"], ORG, USER)
    read("read connected", one, 200, ConnectedService)
    gone = account.ai_account_connected_services_orgs_users_destroy(made["id"], ORG, USER)
    read("disconnect", gone, 204)
    provider.shutdown()


async def say(prompt, session, mentor):
    """A turn through the SDK's own helper, which sends the frame twice and gives up after 10 s without an answer."""
    sockets = URL.replace("http", "ws", 1)
    key = os.environ["GATEWAY_TOKEN"]
    pieces = chat_with_mentor_async(prompt, session, mentor, ORG, USER, key, base_url=sockets)
    return "".join([piece async for piece in pieces])


def chats(mentor):
    name = mentor
    create = api.ai_mentor_orgs_users_sessions_create
    read("create session", create(ORG, USER, ChatSessionRequest(mentor=name, tools=[])), 200, ChatSessionResponse)
    of_org = api.ai_mentor_orgs_sessions_create
    read("create session of nobody", of_org(ORG, ChatSessionRequest(mentor=name)), 200, ChatSessionResponse)
    read("session of no mentor", create(ORG, USER, ChatSessionRequest(mentor="nobody")), 404)
    session = asyncio.run(create_chat_session(name, ORG, USER, base_url=URL))
    if session is None:
        failures.append("create session by the helper: none was made")
        return
    settings = api.ai_mentor_orgs_users_mentors_settings_update
    read("keep the history", settings(mentor, ORG, USER, disable_chathistory=False, _content_type=MULTIPART), 200)
    said = asyncio.run(say("What can you do?", session, name))
    if "has no language model" not in said:
        failures.append(f"chat: {said!r}")
    retrieve = api.ai_mentor_orgs_users_sessions_retrieve
    view = read("read session", retrieve(ORG, session, USER), 200, MessageView)
    kinds = [message["type"] for message in view["results"]] if view else []
    if kinds != ["ai", "human"]:
        failures.append(f"read session: {kinds} instead of one answer to one question")
    change = MessageViewRequest(title="SDK", tools=["mcp-tool"], is_shared=True)
    update = api.ai_mentor_orgs_users_sessions_update
    read("change session", update(ORG, session, USER, change), 200)
    stop = api.ai_mentor_orgs_users_stop_generation_create
    read("stop nothing", stop(ORG, USER, StopGenerationRequest(generation_id=str(uuid.uuid4()))), 404)
    read("delete session", api.ai_mentor_orgs_users_sessions_destroy(ORG, session, USER), 204)


def main():
    one, two = servers()
    mentor = mentors((two, one))
    chats(mentor)
    connections(one, mentor)
    connectors()
    read("delete mentor", api.ai_mentor_orgs_users_destroy(mentor, ORG, USER), 204)
    for server in (one, two):
        read("delete server", api.ai_mentor_orgs_users_mcp_servers_destroy(server, ORG, USER), 204)
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{'FAILED' if failures else 'ok'}: the SDK's models and {URL}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
