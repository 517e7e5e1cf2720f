#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job: trains MobileNetV2 on Fashion-MNIST, plainly, then from those weights sparse and int8 as its NNCF config says.
set -euo pipefail
cd "$(dirname "$0")/.."

config_fp32=examples/configs/fashion_mnist_mobilenetv2_fp32.json
config_compressed=examples/configs/fashion_mnist_mobilenetv2_rb_int8.json
# Each epoch draws this many of the 60000 images: a full epoch is a matter of minutes on two cores.
full_fp32=(--epochs 3 --train-samples 12800)
full_compressed=(--epochs 7 --train-samples 6400)
quick_fp32=(--epochs 1 --train-samples 3200)
quick_compressed=(--epochs 2 --train-samples 1280)

usage() {
  cat <<TEXT
usage: examples/run.sh [--quick] [--no-setup] [--results DIR] [OPTION_OF_THE_PROGRAM...]
Installs what is missing, builds, trains MobileNetV2 on Fashion-MNIST in float32, then compressed (sparse and int8) from
those weights, and ends with a table of both. At most 10 minutes on two cores.

  --quick        a short run of the same steps, to see that everything works; what it reaches is not worth much
  --no-setup     install nothing
  --results DIR  snapshots, metrics.jsonl and statistics.txt (default: results)
Everything else goes to both runs of the program: --threads 1, --seed 3, --data DIR, --train-samples 60000 ...
The build folder is 'build'; NNCF_BUILD_DIR names another one.
TEXT
}
results=results setup=1 quick=0 fp32=("${full_fp32[@]}") compressed=("${full_compressed[@]}") more=()
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help)
      usage
      exit 0
      ;;
    --quick) quick=1 fp32=("${quick_fp32[@]}") compressed=("${quick_compressed[@]}") ;;
    --no-setup) setup=0 ;;
    --results)
      [ $# -gt 1 ] || { echo "run.sh: --results needs a folder" >&2; exit 2; }
      results=$2
      shift
      ;;
    *) more+=("$1") ;;
  esac
  shift
done

build=${NNCF_BUILD_DIR:-build}
[ "$setup" = 0 ] || ./.ci/setup.sh build data
# A new build folder gets no tests: Check need not be installed for this.
[ -f "$build/build.ninja" ] || ./.ci/configure.sh "$build" -Dtests=false
./.ci/configure.sh "$build" -Dexamples=true
ninja -C "$build" --quiet

program=$build/examples/classification/nncf-classification
echo "== 1 of 2: float32 ($config_fp32)"
"$program" --config "$config_fp32" --out "$results/fashion_mnist_fp32" "${fp32[@]}" "${more[@]}"
echo
echo "== 2 of 2: sparse and int8, from those weights ($config_compressed)"
"$program" --config "$config_compressed" --out "$results/fashion_mnist_rb_int8" \
  --weights "$results/fashion_mnist_fp32/mobilenetv2_fashion_mnist_best.safetensors" \
  --baseline-metrics "$results/fashion_mnist_fp32/metrics.jsonl" "${compressed[@]}" "${more[@]}"
echo
printf 'done in %d:%02d\n' $((SECONDS / 60)) $((SECONDS % 60))
if [ "$quick" = 1 ]; then
  echo 'this was --quick: it shows that every step works; its accuracies and sparsity mean nothing'
else
  echo 'the compressed run trains on from the FP32 one, which was short: docs/classification.md compares runs of the same length'
fi
