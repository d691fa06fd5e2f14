"""Meets every server of the table of manners with an official Python client, and fails if the table says of it what is
not so: clients.py py1|py2 TABLE_URL"""

import json
import logging
import sys
import urllib.parse
import urllib.request
from datetime import timedelta
from importlib.metadata import version

import anyio

PATIENCE_S = 8
IS_FIRST = version("mcp").startswith("1.")

from mcp import ClientSession
from mcp.client.sse import sse_client

try:
    from mcp.client.streamable_http import streamable_http_client as http_client
except ImportError:
    from mcp.client.streamable_http import streamablehttp_client as http_client

logging.disable(logging.CRITICAL)


async def speak(session: ClientSession) -> None:
    await session.initialize()
    tools = (await session.list_tools()).tools
    if [tool.name for tool in tools] != ["echo"]:
        raise ValueError(f"the list is {tools}")
    for text in ["one", "two"]:
        called = await session.call_tool("echo", {"text": text})
        if called.content[0].text != text:
            raise ValueError(f"the answer is {called}")


def session_over(streams) -> ClientSession:
    patience = timedelta(seconds=PATIENCE_S) if IS_FIRST else PATIENCE_S
    return ClientSession(streams[0], streams[1], read_timeout_seconds=patience)


async def use(table_url: str, row: dict) -> str:
    url = urllib.parse.urljoin(table_url, row["path"])
    make = sse_client if row["path"].endswith("/sse") else http_client
    spoken = False
    try:
        with anyio.fail_after(3 * PATIENCE_S):
            async with make(url) as streams, session_over(streams) as session:
                await speak(session)
                spoken = True
    except BaseException as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        # What happens at the farewell is no matter.
        return "" if spoken else (str(error)[:200] or type(error).__name__)
    return ""


async def main() -> None:
    which, table_url = sys.argv[1:]
    table = json.load(urllib.request.urlopen(table_url))
    used: dict[str, str] = {}

    async def meet(row: dict) -> None:
        used[row["name"]] = await use(table_url, row)

    # Few at once: one of them may hang for its whole time.
    limiter = anyio.CapacityLimiter(24)

    async def limited(row: dict) -> None:
        async with limiter:
            await meet(row)

    async with anyio.create_task_group() as group:
        for row in table:
            group.start_soon(limited, row)
    wrong = [row for row in table if (used[row["name"]] == "") != (which in row["takenBy"])]
    for row in wrong:
        error = used[row["name"]]
        is_used = "used" if error == "" else f"not used: {error}"
        print(f"{which}: {row['name']} is {is_used}, and the table says otherwise", file=sys.stderr)
    count = sum(error == "" for error in used.values())
    print(f"{which}: {count} of {len(table)} manners are used", file=sys.stderr)
    sys.exit(1 if wrong else 0)


anyio.run(main)
