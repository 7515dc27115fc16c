#!/usr/bin/env bash
# Finishes a built page: scripts, styles and engine move into page-HASH/, which browsers may keep for ever, and files.json lists what
# the service worker keeps. Usage: stamp.sh FOLDER, or by Trunk, which names the folder in TRUNK_STAGING_DIR.
set -euo pipefail
cd "${1:-${TRUNK_STAGING_DIR:?says where the page is}}"

# Trunk leaves the engine beside index.html.
mkdir -p page/engine
find . -maxdepth 1 -name 'guidestar*' -exec mv {} page/engine/ \;
find page -name '*.d.ts' -delete

# hash_of FOLDER... : names and contents of all files, in 16 digits.
hash_of() {
  find "$@" -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c 1-16
}

stamp=$(hash_of page)
mv page "page-$stamp"
# `-i.bak` is what both GNU's sed and macOS's understand.
sed -i.bak -e '/<link data-trunk/d' -e "s,\"page/,\"page-$stamp/,g" index.html
rm index.html.bak

# list FILE... : as JSON strings, a comma between them.
list() {
  printf '"%s"\n' "$@" | paste -s -d , -
}

mapfile -t shell < <(find . -type f ! -name sw.js ! -name files.json ! -path './models/*' | LC_ALL=C sort)
mapfile -t model < <(find models -type f ! -name '*.md' | LC_ALL=C sort)
{
  printf '{"shell":[%s],\n"model":[' "$(list ./ "${shell[@]}")"
  for path in "${model[@]}"; do
    printf '{"path":"%s","sha256":"%s"}\n' "$path" "$(sha256sum "$path" | cut -c 1-64)"
  done | paste -s -d , -
  printf ']}\n'
} >files.json

version=$(hash_of "${shell[@]}" files.json)
sed -i.bak "s/\"unstamped\"/\"$version\"/" sw.js
rm sw.js.bak

# For servers that send files packed: `guidestar serve` does, and others can be told to. Only what is kept for ever never differs from
# the file beside it. Whoever has no brotli gets a page whose engine takes a third more on the way.
mapfile -t large < <(find "page-$stamp" -type f -size +1k)
gzip -9 -n -k "${large[@]}"
if command -v brotli >/dev/null; then
  brotli -q 11 -k "${large[@]}"
else
  echo "brotli is not installed: the page is packed with gzip alone" >&2
fi
