"""A legacy server on mcp 1.30: python_1.py PORT http|sse|ws. Started by python_1.sh."""

import asyncio
import sys

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.websocket import websocket_server
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

PORT, TRANSPORT = int(sys.argv[1]), sys.argv[2]

server = FastMCP("python-1", instructions="A peer on mcp 1.30.", host="127.0.0.1", port=PORT)


class Name(BaseModel):
    """What `ask` asks for."""

    name: str


@server.tool()
def echo(text: str) -> dict[str, str]:
    """Answers its text."""
    return {"text": text}


@server.tool()
def whoami(ctx: Context) -> dict[str, str]:
    """Answers the headers it sees."""
    return dict(ctx.request_context.request.headers) if ctx.request_context.request else {}


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
async def log(ctx: Context) -> str:
    """Logs two messages."""
    await ctx.info("an info message")
    await ctx.error("an error message")
    return "logged"


@server.tool()
def fail() -> str:
    """Always fails."""
    raise ValueError("this tool always fails")


@server.tool()
async def ask(ctx: Context) -> str:
    """Asks the user for a name."""
    return (await ctx.elicit("What is your name?", Name)).model_dump_json()


@server.tool()
async def sample(prompt: str, ctx: Context) -> str:
    """Asks the model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message([message], max_tokens=100)
    return answer.model_dump_json()


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


async def converse(socket: WebSocket) -> None:
    inner = server._mcp_server
    async with websocket_server(socket.scope, socket.receive, socket.send) as (read, write):
        await inner.run(read, write, inner.create_initialization_options())


def main() -> None:
    if TRANSPORT == "ws":
        app = Starlette(routes=[WebSocketRoute("/ws", converse)])
        uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
    else:
        server.run("sse" if TRANSPORT == "sse" else "streamable-http")


main()
