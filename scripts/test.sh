# The tests: parts that run one after the other, and the sum of what they counted.

PASSED=0
FAILED=0
LOGS=target/test-logs

test_everything() {
  local start=$SECONDS
  part formatting check_formatting
  part lints check_lints
  part native test_native
  part documentation test_documentation
  part training training
  part wasm-lints check_wasm_lints
  if without_gpu; then
    part page test_page
    say "left out, because GUIDESTAR_TEST_GPU=no: Chromium, Node with Dawn, the built page"
  else
    part chromium test_chromium
    part dawn test_dawn
    part page test_page
  fi
  sum_up $((SECONDS - start))
}

test_quickly() {
  local start=$SECONDS
  part formatting check_formatting
  part lints check_lints
  part native test_native
  sum_up $((SECONDS - start))
}

without_gpu() {
  [ "${GUIDESTAR_TEST_GPU:-}" = no ]
}

check_formatting() {
  need_rust
  cargo fmt --check
}

check_lints() {
  need_rust
  cargo clippy --all-targets -- -D warnings
}

check_wasm_lints() {
  need_rust
  need_wasm_target
  mkdir -p target/clippy-wasm
  cat clippy.toml scripts/clippy-wasm.toml >target/clippy-wasm/clippy.toml
  CLIPPY_CONF_DIR=$PWD/target/clippy-wasm wasm_cargo clippy --lib --test web -- -D warnings
}

test_native() {
  local filter='all()'
  need_rust
  if without_gpu; then
    say "left out, because GUIDESTAR_TEST_GPU=no: plans, and other tests' runs on a GPU"
    filter='not binary(plans)'
  else
    need_vulkan
    use_vulkan
  fi
  need_onnx_data || say "left out: the standard's tests of ONNX operators, for want of libonnx-testdata"
  [ -d ../shared/networks ] || say "left out: real ONNX networks, for want of a folder ../shared/networks"
  if have cargo-nextest; then
    cargo nextest run --no-fail-fast -E "$filter"
  else
    cargo test --no-fail-fast --tests
  fi
  # Nothing is left out in silence.
  grep -rhoP '#\[ignore = "\K[^"]+' src tests | sort | uniq -c | sed 's/^ *\([0-9]*\) /ignored: \1 test(s), /' || true
}

test_documentation() {
  need_rust
  cargo test --doc
}

# The program as the tests have it. Asked for without a test, cargo leaves out the features of shared crates that only tests'
# dependencies want, and builds the engine on the CPU a second time, which takes ten minutes.
build_tested_binary() {
  cargo build --bin guidestar --test cli
}

# A few steps of every training, and the program draws with what came of them.
training() {
  need_rust
  need_python_reference
  build_tested_binary
  .venv/bin/python -m training.smoke --out target/training-smoke --guidestar target/debug/guidestar
}

test_chromium() {
  need_rust
  need_wasm_target
  need_wasm_bindgen
  need_chromium
  # SwiftShader compiles slowly: the default of 20 seconds is for tests without a GPU.
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$PWD/.tools/bin/wasm-bindgen-test-runner \
    WASM_BINDGEN_TEST_WEBDRIVER_JSON=$PWD/scripts/chromium/webdriver.json WASM_BINDGEN_TEST_TIMEOUT=900 \
    CHROMEDRIVER=$(command -v chromedriver) wasm_cargo test --test web
}

test_dawn() {
  need_rust
  need_vulkan
  need_wasm_target
  need_wasm_bindgen
  need_dawn
  use_vulkan
  build_for_web dev tests/dawn/pkg --test web
  timeout 900 node --test --test-reporter=tap tests/dawn/*.test.js
}

# Against a canned worker first, then as it was built.
test_page() {
  local tests=(tests/page/canned.test.js tests/page/states.test.js tests/page/looks.test.js)
  need_page_browser
  if ! without_gpu; then
    need_rust
    need_wasm_target
    need_wasm_bindgen
    build_page dev target/page --test web
    build_tested_binary
    tests+=(tests/page/built.test.js tests/page/everyday.test.js tests/page/devices.test.js tests/page/techniques.test.js)
  fi
  timeout 2700 node --test --test-reporter=tap "${tests[@]}"
}

# part NAME COMMAND : runs a part, shows its output, and adds up what it counted. A part that only passes or fails
# counts as one test; one that breaks without counting a failure has failed once.
part() {
  local name=$1 command=$2 log=$LOGS/$1.log start=$SECONDS status passed failed sums
  mkdir -p $LOGS
  say "== $name"
  set +e
  (
    set -e
    "$command"
  ) 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  set -e
  read -r passed failed sums <<<"$(counted <"$log")"
  if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
    failed=1
  elif [ "$status" = 0 ] && [ "$sums" = 0 ]; then
    passed=1
  fi
  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + failed))
  say "== $name: $passed passed, $failed failed, $((SECONDS - start)) s"
}

# Adds up what test programs end with, and how many said so: nextest's `Summary [...] 3 tests run: 2 passed, 1 failed`,
# cargo's and wasm-bindgen's `test result: FAILED. 2 passed; 1 failed; ...`, Node's `# pass 2` and `# fail 1`; training/smoke.py
# says it as cargo does.
counted() {
  awk '
    { gsub(/\033\[[0-9;]*m/, "") }
    /^ *Summary \[/ || /^test result:/ {
      sums += 1
      if (match($0, /[0-9]+ passed/)) passed += substr($0, RSTART)
      if (match($0, /[0-9]+ failed/)) failed += substr($0, RSTART)
      if (match($0, /[0-9]+ timed out/)) failed += substr($0, RSTART)
    }
    /^# pass [0-9]+$/ { sums += 1; passed += $3 }
    /^# (fail|cancelled) [0-9]+$/ { failed += $3 }
    END { print passed + 0, failed + 0, sums + 0 }
  '
}

# sum_up SECONDS : the last line is for machines.
sum_up() {
  say "$(($1 / 60)) min $(($1 % 60)) s"
  echo "$PASSED passed, $FAILED failed"
  [ "$FAILED" = 0 ]
}
