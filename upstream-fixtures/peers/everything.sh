#!/usr/bin/env bash
# npm's server-everything on 127.0.0.1: everything.sh PORT [http|sse]
#   http  http://127.0.0.1:PORT/mcp    streamable HTTP with sessions (default)
#   sse   http://127.0.0.1:PORT/sse    HTTP+SSE
. "$(dirname "${BASH_SOURCE[0]}")/install.sh"
port="${1:?usage: everything.sh PORT [http|sse]}"
case "${2:-http}" in
  http) transport=streamableHttp ;;
  sse) transport=sse ;;
  *) echo "http or sse, not $2" >&2; exit 2 ;;
esac
peer="$(npm_peer everything @modelcontextprotocol/server-everything@2026.8.31)"
export PORT="$port"
# By itself it listens on every interface.
exec node --require "$PEERS_DIR/loopback.cjs" \
  "$peer/node_modules/@modelcontextprotocol/server-everything/dist/index.js" "$transport"
