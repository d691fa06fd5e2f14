#!/usr/bin/env bash
# A server on PyPI's mcp 2.3 on 127.0.0.1, both eras at http://127.0.0.1:PORT/mcp: python_2.sh PORT
. "$(dirname "${BASH_SOURCE[0]}")/install.sh"
port="${1:?usage: python_2.sh PORT}"
peer="$(pip_peer mcp-2 'mcp==2.3.0')"
exec "$peer/bin/python" "$PEERS_DIR/python_2.py" "$port"
