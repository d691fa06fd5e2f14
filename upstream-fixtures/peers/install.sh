# What the peer scripts share: installing once into a cache. Sourced, not run.
#   MENTOR_GATEWAY_PEERS   the cache (default: mentor-gateway-peers in the user's cache directory)
set -eu
PEERS_DIR="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PEERS_CACHE="${MENTOR_GATEWAY_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/mentor-gateway-peers}"

# installed DIR WANT: whether exactly this was installed there.
installed() { [ "$(cat "$1/.installed" 2>/dev/null)" = "$2" ]; }

# npm_peer NAME PACKAGE@VERSION...: prints a directory whose node_modules holds them.
npm_peer() {
  local dir="$PEERS_CACHE/npm/$1"; shift
  if ! installed "$dir" "$*"; then
    mkdir -p "$dir"
    npm install --prefix "$dir" --no-audit --no-fund --silent "$@" >&2
    printf '%s' "$*" >"$dir/.installed"
  fi
  printf '%s\n' "$dir"
}

# pip_peer NAME PACKAGE==VERSION...: prints a virtual environment that holds them.
pip_peer() {
  local dir="$PEERS_CACHE/python/$1"; shift
  if ! installed "$dir" "$*"; then
    mkdir -p "$PEERS_CACHE/python"
    [ -x "$dir/bin/python" ] || python3 -m venv "$dir" >&2
    "$dir/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    printf '%s' "$*" >"$dir/.installed"
  fi
  printf '%s\n' "$dir"
}
