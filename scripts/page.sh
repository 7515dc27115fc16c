# The page.

# build_page dev|web FOLDER ARGUMENT... : everything a web server needs, in a folder; the arguments are for `build_for_web`.
build_page() {
  local profile=$1 folder=$2
  shift 2
  need_brotli
  rm -rf "$folder"
  mkdir -p "$folder/models"
  cp -R www/. "$folder"
  cp -R models/mini models/guides assets/clip "$folder/models/"
  build_for_web "$profile" "$folder/page/engine" "$@"
  bash scripts/page/stamp.sh "$folder"
}

# The most that the packed engine of a page may take: a first visit fetches it before it can draw.
ENGINE_BYTES=1500000

# say_size FOLDER : what a first visit fetches, as a server sends it packed. Fails when the engine has grown too large.
say_size() {
  local packing engine shell
  for packing in br gz; do
    engine=$(cat "$1"/page-*/engine/*.wasm."$packing" | wc -c)
    shell=$(find "$1"/page-* -name "*.$packing" ! -name "*.wasm.$packing" -exec cat {} + | wc -c)
    say "packed as .$packing: the engine takes $((engine / 1000)) kB, the page around it $((shell / 1000)) kB"
    [ "$engine" -le $ENGINE_BYTES ] || fail "an engine may take $((ENGINE_BYTES / 1000)) kB"
  done
}

need_page_browser() {
  have chromium || apt_install chromium
  # The screenshots are drawn with this font.
  [ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || apt_install fonts-dejavu-core
  have node || apt_install nodejs
  have npm || apt_install npm
  if [ ! -d tests/page/node_modules/playwright-core ]; then
    say "installing Playwright into tests/page/node_modules/"
    npm install --prefix tests/page --no-package-lock --no-audit --no-fund
  fi
}
