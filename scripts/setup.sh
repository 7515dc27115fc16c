# Installing what is missing. Each `need_...` looks for its result first, and says what it does when it does something.

say() {
  printf '\n\033[1m%s\033[0m\n' "$*" >&2
}

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

have() {
  command -v "$1" >/dev/null
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# apt_install [-t SUITE] PACKAGE...
apt_install() {
  have apt-get || fail "please install these by hand, this is no Debian or Ubuntu: $*"
  say "installing $*"
  as_root apt-get update -q
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -q -y --no-install-recommends "$@"
}

need_rust() {
  have cargo || fail "Rust is missing: https://rustup.rs installs it"
  have cc || apt_install gcc libc6-dev
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    say "adding rustfmt and clippy to Rust"
    rustup component add rustfmt clippy
  fi
}

# A graphics card's driver brings Vulkan along; a machine without one gets Mesa's software Vulkan.
need_vulkan() {
  local mirror
  if has_gpu || has_software_vulkan; then
    return
  fi
  # Debian 12's own Mesa, 22.3, has no f16 in its software Vulkan.
  if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ]; then
    if ! grep -qsr bookworm-backports /etc/apt/sources.list /etc/apt/sources.list.d; then
      say "adding bookworm-backports to apt's sources"
      # From wherever this machine's own packages come.
      as_root apt-get update -q
      mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' | awk '$2 == "bookworm" { print $1; exit }')
      echo "deb $mirror bookworm-backports main" |
        as_root tee /etc/apt/sources.list.d/bookworm-backports.list >/dev/null
    fi
    apt_install -t bookworm-backports mesa-vulkan-drivers libvulkan1
  else
    apt_install mesa-vulkan-drivers libvulkan1
  fi
}

has_gpu() {
  compgen -G '/dev/nvidia[0-9]*' >/dev/null || compgen -G '/dev/dri/renderD*' >/dev/null
}

has_software_vulkan() {
  local version
  [ -n "$(software_vulkan)" ] || return 1
  have dpkg-query || return 0
  version=$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null) || return 0
  dpkg --compare-versions "$version" ge 23
}

# The description of Mesa's software Vulkan; its name carries the architecture in some versions.
software_vulkan() {
  compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1 || true
}

# Lets programs find Vulkan: the card's where there is one, else the software.
use_vulkan() {
  export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}
  if ! has_gpu && [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then
    VK_ICD_FILENAMES=$(software_vulkan)
    export VK_ICD_FILENAMES
  fi
}

need_wasm_bindgen() {
  local version
  version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)
  export PATH=$PWD/.tools/bin:$PATH
  if [ "$(.tools/bin/wasm-bindgen --version 2>/dev/null)" = "wasm-bindgen $version" ]; then
    return
  fi
  # Built in haste: it runs for seconds, its own optimisation would take minutes.
  say "building wasm-bindgen $version into .tools/"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_TARGET_DIR=.tools/build \
    cargo install -q wasm-bindgen-cli --version "$version" --root .tools --force
  rm -rf .tools/build
}

# The ONNX standard's own tests of its operators.
need_onnx_data() {
  [ -d /usr/lib/python3/dist-packages/onnx/backend/test/data ] || (apt_install libonnx-testdata)
}

# Without it a page is built all the same, and takes longer on the way.
need_brotli() {
  have brotli || ! have apt-get || apt_install brotli
}

need_chromium() {
  have chromedriver || apt_install chromium chromium-driver
}

need_dawn() {
  have node || apt_install nodejs
  have npm || apt_install npm
  if [ ! -d tests/dawn/node_modules/webgpu ]; then
    say "installing Dawn for Node into tests/dawn/node_modules/"
    npm install --prefix tests/dawn --no-package-lock --no-audit --no-fund
  fi
}

# PyTorch of the distribution (the package index has none for CPUs alone), the rest beside it. Versions are those that
# the golden fixtures were drawn with.
need_python_reference() {
  [ -e /usr/lib/python3/dist-packages/torch ] && [ -e /usr/share/doc/libopenblas0-pthread ] &&
    /usr/bin/python3 -c 'import ensurepip' 2>/dev/null ||
    apt_install python3-torch libopenblas0-pthread python3-venv
  [ -x .venv/bin/python ] || /usr/bin/python3 -m venv --system-site-packages .venv
  if ! .venv/bin/python -c 'import diffusers, transformers' 2>/dev/null; then
    say "installing the published implementations into .venv/"
    .venv/bin/pip install -q -r tests/fixtures/requirements.txt
  fi
}
