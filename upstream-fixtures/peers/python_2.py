"""A server of both eras on mcp 2.3: python_2.py PORT. Started by python_2.sh."""

import asyncio
import sys

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult

server = MCPServer("python-2", instructions="A peer on mcp 2.3.")


@server.tool()
def echo(text: str) -> dict[str, str]:
    """Answers its text."""
    return {"text": text}


@server.tool()
def whoami(ctx: Context) -> dict[str, str]:
    """Answers the headers it sees."""
    return dict(ctx.headers or {})


@server.tool()
async def slow(ms: int) -> str:
    """Answers after a while."""
    await asyncio.sleep(ms / 1000)
    return f"took {ms} ms"


@server.tool()
async def progress(steps: int, ctx: Context) -> str:
    """Reports progress step by step."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps, f"step {step} of {steps}")
    return f"{steps} steps"


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ValueError("this tool always fails")


@server.tool()
async def ask(ctx: Context) -> str | InputRequiredResult:
    """Asks the user for a name in a second round trip. Modern callers only."""
    answers = ctx.input_responses
    if answers and "name" in answers:
        return answers["name"].model_dump_json(exclude_none=True)
    params = ElicitRequestFormParams(
        message="What is your name?",
        requested_schema={"type": "object", "properties": {"name": {"type": "string"}}},
    )
    return InputRequiredResult(
        input_requests={"name": ElicitRequest(params=params)}, request_state="asked"
    )


@server.tool()
async def change_tools(ctx: Context) -> str:
    """Adds the tool `added` and says that the list changed."""
    server.add_tool(echo, name="added")
    await ctx.notify_tools_changed()
    return "changed"


@server.resource("peer://text")
def text() -> str:
    """A text."""
    return "the text of a peer"


@server.resource("peer://item/{id}")
def item(id: str) -> str:
    """An item for every id."""
    return id


@server.prompt()
def with_args(city: str) -> str:
    """Takes a city."""
    return f"Tell me about {city}."


server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
