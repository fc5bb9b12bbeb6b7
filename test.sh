#!/usr/bin/env bash
# Runs every check and test of the project, from a bare Debian 12 with Rust: `./test.sh`.
#
# Rust needs a C compiler to link, so that is all this script sees to; the rest is `cargo xtask ci`.
# Arguments are passed on to it: `./test.sh --help`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi
if ! command -v cargo >/dev/null; then
    echo "test.sh: cargo is not on PATH; install Rust with rustup" >&2
    exit 1
fi

# A compiler without the C library's headers cannot link either, so link something.
links() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null; }
if ! links; then
    if [ "$(id -u)" = 0 ]; then
        sudo=()
    elif command -v sudo >/dev/null; then
        sudo=(sudo)
    else
        echo "test.sh: no working C compiler, and neither root nor sudo to install it: apt-get install gcc libc6-dev" >&2
        exit 1
    fi
    echo "test.sh: installing gcc and libc6-dev"
    "${sudo[@]}" apt-get update
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev
    links || { echo "test.sh: cc still does not link a program after the installation" >&2; exit 1; }
fi

exec cargo xtask ci "$@"
