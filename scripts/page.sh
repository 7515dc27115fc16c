# The page.

# build_page dev|web FOLDER : everything a web server needs, in a folder.
build_page() {
  local profile=$1 folder=$2
  rm -rf "$folder"
  mkdir -p "$folder/models"
  cp -R www/. "$folder"
  cp -R models/mini models/guides "$folder/models/"
  build_for_web "$profile" "$folder/page/engine"
  bash scripts/page/stamp.sh "$folder"
}

# say_size FOLDER : what a first visit fetches, as a server sends it packed.
say_size() {
  local engine shell
  engine=$(cat "$1"/page-*/engine/*.wasm.gz | wc -c)
  shell=$(find "$1"/page-* -name '*.gz' ! -name '*.wasm.gz' -exec cat {} + | wc -c)
  say "packed: the engine takes $((engine / 1000)) kB, the page around it $((shell / 1000)) kB"
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
