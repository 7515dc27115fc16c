# The first pictures of a new machine.

first_pictures() {
  use_vulkan
  say "drawing"
  target/debug/guidestar generate "a red apple on a blue background" --seed 0..3 --out out/ --yes
  say "the pictures, and a sheet of them all, are in $PWD/out/"
}
