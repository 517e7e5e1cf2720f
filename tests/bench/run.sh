#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures, ours and others' side by side, and prints the ratios:
#   tests/bench/run.sh [PART]...      PART: step threads gemm conv rows; without one, all
# step: MobileNetV2, batch 16, 224x224, Adam: ours with the config of examples/configs, ours without compression, PyTorch in both
# memory layouts, NNCF on PyTorch when setup_peers.sh has installed it. Each contender has a process of its own, in turns,
# BENCH_ROUNDS times. threads: ours on one thread. Parts of a minute each, so that a machine need be kept quiet for so long only.
# JSON lines go to BENCH_OUT (build/bench.jsonl): appended, so that parts can be run one by one; report.py reads them.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${NNCF_BUILD_DIR:-build}
out=${BENCH_OUT:-$build/bench.jsonl}
peers=$(realpath -m "${BENCH_PEERS:-$build/peers}")
rounds=${BENCH_ROUNDS:-2}
threads=${BENCH_THREADS:-2}
config=examples/configs/mobilenetv2_imagenet_rb_int8.json
bench=$build/tests/bench/nncf-bench

if [ ! -x "$bench" ]; then
  echo "run.sh: no $bench: build with -Dtests=true -Dexamples=true first" >&2
  exit 1
fi

# libgomp's threads (oneDNN, BLIS) spin for milliseconds after their work, on a core that the next contender needs.
export GOMP_SPINCOUNT=20000

ours() {
  "$bench" "$@" >>"$out"
}

# PyTorch at its best here: tcmalloc, and no restriction on the kernels of its BLAS.
python=/usr/bin/python3
[ ! -x "$peers/bin/python" ] || python=$peers/bin/python
tcmalloc=$(find /usr/lib -name 'libtcmalloc_minimal.so.4' 2>/dev/null | head -n 1)
peer() {
  env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE -u GOMP_SPINCOUNT ${tcmalloc:+LD_PRELOAD="$tcmalloc"} OMP_NUM_THREADS="$threads" \
    TORCH_EXTENSIONS_DIR="$peers/extensions" "$python" tests/bench/peer.py --threads "$threads" "$@" 2>/dev/null |
    grep '^{' >>"$out" || echo "run.sh: peer.py $* failed; left out" >&2 # NNCF logs to standard output
}

has_torch() {
  "$python" -c 'import torch, torchvision' >/dev/null 2>&1
}

step_round() {
  ours step --threads "$threads" --config "$config"
  ours step --threads "$threads"
  if has_torch; then
    peer --layout nchw
    peer --layout channels_last
    if "$python" -c 'import nncf' >/dev/null 2>&1; then
      peer --compression rb_int8 --warmup 1
    fi
  fi
}

part() {
  case "$1" in
    step) for _ in $(seq "$rounds"); do step_round; done ;;
    threads)
      for _ in $(seq "$rounds"); do
        ours step --threads 1 --config "$config"
        ours step --threads "$threads" --config "$config"
        ours step --threads 1
        ours step --threads "$threads"
      done
      ;;
    gemm | conv) for model in mobilenetv2 resnet50; do ours "$1" --threads "$threads" --model "$model" --batch 16; done ;;
    rows) for mode in fakequant rb threshold; do ours "$mode" --threads "$threads"; done ;;
    *)
      echo "run.sh: there is no part '$1' (step, threads, gemm, conv, rows)" >&2
      exit 2
      ;;
  esac
}

[ $# -gt 0 ] || set -- step threads gemm conv rows
for name in "$@"; do
  part "$name"
done
tests/bench/report.py "$out"
