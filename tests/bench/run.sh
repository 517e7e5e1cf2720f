#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures, ours and others' side by side, and prints the ratios:
#   tests/bench/run.sh [PART]...      PART: step threads resnet eval batch gemm conv rows kernels ops; without one, all but resnet
# step: MobileNetV2, batch 16, 224x224, Adam: ours with the config of examples/configs, ours without compression, and every peer
# that setup_peers.sh has installed: PyTorch at its best (channels_last, fused Adam; compiled), NNCF on PyTorch. Each contender has a
# process of its own, in turns, BENCH_ROUNDS times. resnet: the same of ResNet-18 and ResNet-50, batch 8, with int8. threads: ours on
# one thread. batch: ours with one image. ops: layers alone, in turns with PyTorch; the GPT. Parts of some minutes each, so that a machine need be kept quiet for so long only.
# JSON lines go to BENCH_OUT (build/bench.jsonl): appended, so that parts can be run one by one; report.py reads them.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${NNCF_BUILD_DIR:-build}
out=${BENCH_OUT:-$build/bench.jsonl}
old_peers=$(realpath -m "${BENCH_PEERS:-$build/peers}")
current_peers=$(realpath -m "${BENCH_PEERS_CURRENT:-$build/peers-current}")
rounds=${BENCH_ROUNDS:-2}
threads=${BENCH_THREADS:-2}
config=examples/configs/mobilenetv2_imagenet_rb_int8.json
int8_config=tests/bench/int8.json
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

# PyTorch at its best here: tcmalloc, and no restriction on the kernels of its BLAS. peer FOLDER OPTION...
tcmalloc=$(find /usr/lib -name 'libtcmalloc_minimal.so.4' 2>/dev/null | head -n 1)
peer() {
  local folder=$1
  shift
  [ -x "$folder/bin/python" ] || return 0
  # NNCF logs to standard output
  env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE -u GOMP_SPINCOUNT ${tcmalloc:+LD_PRELOAD="$tcmalloc"} OMP_NUM_THREADS="$threads" \
    TORCH_EXTENSIONS_DIR="$folder/extensions" "$folder/bin/python" "tests/bench/${script:-peer.py}" --threads "$threads" "$@" 2>/dev/null |
    grep '^{' >>"$out" || echo "run.sh: ${script:-peer.py} $* failed; left out" >&2
}

step_round() {
  ours step --threads "$threads" --config "$config"
  ours step --threads "$threads"
  peer "$current_peers" --layout channels_last --fused
  peer "$current_peers" --layout channels_last --fused --compile
  peer "$current_peers" --compression rb_int8 --warmup 1
  peer "$old_peers" --layout channels_last
  peer "$old_peers" --compression rb_int8 --warmup 1
}

resnet_round() {
  local model
  for model in resnet18 resnet50; do
    ours step --threads "$threads" --model "$model" --batch 8 --config "$int8_config"
    ours step --threads "$threads" --model "$model" --batch 8
    peer "$current_peers" --model "$model" --batch 8 --layout channels_last --fused
    peer "$current_peers" --model "$model" --batch 8 --layout channels_last --fused --compile
    peer "$current_peers" --model "$model" --batch 8 --compression int8 --warmup 1
  done
}

eval_round() {
  local batch
  for batch in 1 64; do
    ours eval --threads "$threads" --batch "$batch" --config "$config"
    ours eval --threads "$threads" --batch "$batch"
    peer "$current_peers" --mode eval --batch "$batch" --layout channels_last
    peer "$current_peers" --mode eval --batch "$batch" --layout channels_last --compile
  done
}

# Of layers that our lines name; and a step of the GPT, of which nncf-gpt --steps prints ours.
ops_round() {
  local script=peer_ops.py
  ours ops --threads "$threads"
  peer "$current_peers" "$out"
  peer "$current_peers" --gpt --fused
  ours gpt --threads "$threads"
}

part() {
  case "$1" in
    step | resnet | eval | ops) for _ in $(seq "$rounds"); do "$1_round"; done ;;
    batch)
      for _ in $(seq "$rounds"); do
        ours step --threads "$threads" --config "$config" --batch 1
        ours step --threads "$threads" --config "$config"
      done
      ;;
    threads)
      for _ in $(seq "$rounds"); do
        ours step --threads 1 --config "$config"
        ours step --threads "$threads" --config "$config"
        ours step --threads 1
        ours step --threads "$threads"
      done
      ;;
    gemm | conv) for model in mobilenetv2 resnet50; do ours "$1" --threads "$threads" --model "$model" --batch 16; done ;;
    kernels) for model in mobilenetv2 resnet50; do ours kernels --threads "$threads" --model "$model"; done ;;
    rows) for mode in fakequant rb threshold; do ours "$mode" --threads "$threads"; done ;;
    *)
      echo "run.sh: there is no part '$1' (step, threads, resnet, eval, batch, gemm, conv, rows, kernels, ops)" >&2
      exit 2
      ;;
  esac
}

[ $# -gt 0 ] || set -- step threads eval batch gemm conv rows kernels ops
for name in "$@"; do
  part "$name"
done
tests/bench/report.py "$out"
