#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds, runs all tests. The last line counts them: "N passed, N failed".
# A skipped test is counted as skipped, never as passed; the exit status is 0 only when something passed and nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--quick] [ARGUMENT_OF_MESON_TEST...]
  --quick   smaller sweeps (sets NNCF_TEST_QUICK=1)
Everything else goes to `meson test`: `tests/run.sh --suite unit`, `tests/run.sh config`.
The build folder is `build`; NNCF_BUILD_DIR names another one.
TEXT
}
arguments=()
for argument in "$@"; do
  case "$argument" in
    -h | --help)
      usage
      exit 0
      ;;
    --quick) export NNCF_TEST_QUICK=1 ;;
    *) arguments+=("$argument") ;;
  esac
done

build=${NNCF_BUILD_DIR:-build}
if ! { ./.ci/setup.sh build test && ./.ci/configure.sh "$build" -Dtests=true -Dexamples=true && ninja -C "$build" --quiet; }; then
  printf '\nnothing could be built, so no test ran\n0 passed, 1 failed\n'
  exit 1
fi

status=0
rm -f "$build"/meson-logs/testlog*.json
meson test -C "$build" --no-rebuild --print-errorlogs "${arguments[@]}" </dev/null || status=$?
echo
./.ci/count_tests.py "$build/meson-logs/testlog.json" || status=1
exit "$status"
