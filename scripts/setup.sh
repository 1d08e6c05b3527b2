# Shared by ./demo and ./test: installs what they need and builds the program. Sourced, not run.
# Written for Debian with a Rust toolchain; elsewhere it says what is missing.

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install PACKAGE...: installs Debian packages, with an update first where the lists are missing or old.
install() {
    if ! command -v apt-get >/dev/null; then
        echo "error: please install what Debian calls: $*" >&2
        exit 1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 && return
    as_root apt-get update >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >/dev/null
}

need_build_tools() {
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    if ! command -v cargo >/dev/null; then
        echo "error: no Rust toolchain: install one with rustup (https://rustup.rs)" >&2
        exit 1
    fi
    if ! command -v cc >/dev/null; then
        echo "installing a C compiler and linker" >&2
        install gcc libc6-dev
    fi
}

# Where cargo puts what it builds for this machine; the target is explicit because the program is static.
build_release() {
    target_dir=${CARGO_TARGET_DIR:-target}
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo build --release --locked --package cli
    PINNACE=$target_dir/$host/release/pinnace
}
