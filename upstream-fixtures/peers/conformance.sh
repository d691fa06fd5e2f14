#!/usr/bin/env bash
# Scores a server with npm's official MCP conformance suite: conformance.sh URL [REVISION] [SCENARIO...]
#   REVISION   2025-06-18, 2025-11-25 (default), 2026-07-28, or `extensions` (tasks and skills)
# Exits 0 when every scenario passes. The suite needs Node 22, which is installed beside it.
. "$(dirname "${BASH_SOURCE[0]}")/install.sh"
usage="usage: conformance.sh URL [REVISION] [SCENARIO...]"
url="${1:?$usage}"
peer="$(npm_peer conformance @modelcontextprotocol/conformance@0.2.0-alpha.12 node@22)"
exec "$peer/node_modules/.bin/node" "$PEERS_DIR/conformance.mjs" "$peer" "$url" "${2:-2025-11-25}" "${@:3}"
