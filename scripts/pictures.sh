# The first pictures of a new machine.

first_pictures() {
  use_vulkan
  say "drawing"
  target/debug/guidestar generate "a red apple on a blue background" --seed 0..3 --out out/ --yes
  say "drawing one seed without and with self-attention guidance"
  target/debug/guidestar sag "a penguin on a blue background" --seed 0 --out out/sag/ --yes
  say "the pictures, a sheet of them all and the comparison are in $PWD/out/"
}
