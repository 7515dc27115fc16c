# The first pictures of a new machine.

first_pictures() {
  use_vulkan
  say "drawing"
  target/release/guidestar generate "a red apple on a blue background" --count 4 --out out/ --yes
  say "the pictures are in $PWD/out/"
}
