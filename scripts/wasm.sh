# Compiling for browsers.

# What stands before `cargo` in a build for wasm.
WASM_ENV=()

# The standard library for wasm: rustup's; where its server cannot be reached, Debian's compiler and sources.
need_wasm_target() {
  local sysroot
  sysroot=$(rustc --print sysroot)
  if [ -d "$sysroot/lib/rustlib/wasm32-unknown-unknown/lib" ]; then
    return
  fi
  if ! debian_has_wasm; then
    say "adding the wasm32-unknown-unknown target to Rust"
    if have rustup && timeout 120 rustup target add wasm32-unknown-unknown; then
      return
    fi
    build_wasm_for_debian
  fi
  WASM_ENV=(
    PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
    # Two compilers must not share a folder: each would throw away what the other built.
    CARGO_TARGET_DIR="$PWD/target-wasm"
  )
}

DEBIAN_WASM=/usr/lib/rustlib/wasm32-unknown-unknown

# The library must have been built by the very compiler that is installed.
debian_has_wasm() {
  [ -x /usr/bin/rustc ] && [ "$(cat $DEBIAN_WASM/built-by 2>/dev/null)" = "$(/usr/bin/rustc --version)" ]
}

build_wasm_for_debian() {
  local crate
  apt_install rustc-web cargo-web rust-web-src rust-web-clippy lld-19
  say "building Rust's standard library for wasm from Debian's sources"
  crate=$(mktemp -d)
  mkdir "$crate/src"
  : >"$crate/src/lib.rs"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$crate/Cargo.toml"
  (
    cd "$crate"
    PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 /usr/bin/cargo build -q --release \
      -Z build-std=std,panic_abort,test,proc_macro --target wasm32-unknown-unknown
    rm target/wasm32-unknown-unknown/release/deps/libempty-*.rlib
  )
  as_root mkdir -p $DEBIAN_WASM/lib
  as_root rm -f $DEBIAN_WASM/lib/*.rlib
  as_root cp "$crate"/target/wasm32-unknown-unknown/release/deps/*.rlib $DEBIAN_WASM/lib/
  /usr/bin/rustc --version | as_root tee $DEBIAN_WASM/built-by >/dev/null
  rm -rf "$crate"
}

# wasm_cargo COMMAND ARGUMENT... : cargo for the library in a browser.
wasm_cargo() {
  local command=$1
  shift
  env "${WASM_ENV[@]}" cargo "$command" --target wasm32-unknown-unknown --no-default-features --features web "$@"
}

# build_for_web dev|web FOLDER ARGUMENT... : the library and its JavaScript half. With `--test web` it is the library of the
# browser's tests: without, features of shared crates differ, and it is built a second time.
build_for_web() {
  local profile=$1 folder=$2 target
  shift 2
  say "building for browsers ($profile)"
  wasm_cargo build --lib --profile "$profile" "$@"
  target=$(env "${WASM_ENV[@]}" bash -c 'echo "${CARGO_TARGET_DIR:-target}"')
  wasm-bindgen --target web --out-dir "$folder" \
    "$target/wasm32-unknown-unknown/${profile/dev/debug}/guidestar.wasm"
}
