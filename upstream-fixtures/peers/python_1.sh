#!/usr/bin/env bash
# A server on PyPI's mcp 1.30, the last with WebSocket, on 127.0.0.1: python_1.sh PORT [http|sse|ws]
#   http  http://127.0.0.1:PORT/mcp    streamable HTTP with sessions (default)
#   sse   http://127.0.0.1:PORT/sse    HTTP+SSE
#   ws    ws://127.0.0.1:PORT/ws       WebSocket
. "$(dirname "${BASH_SOURCE[0]}")/install.sh"
port="${1:?usage: python_1.sh PORT [http|sse|ws]}"
peer="$(pip_peer mcp-1 'mcp[ws]==1.30.0')"
exec "$peer/bin/python" "$PEERS_DIR/python_1.py" "$port" "${2:-http}"
