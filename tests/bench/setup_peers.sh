#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets what run.sh compares with. For the benchmark only: nothing else in this project needs any of it.
#   tests/bench/setup_peers.sh [FOLDER]              PyTorch 1.13 from Debian 12, NNCF 2.4.0 from PyPI (FOLDER: build/peers)
#   tests/bench/setup_peers.sh --current [FOLDER]    PyTorch 2.15.0 and NNCF 3.4.0 from PyPI, 6 GB (FOLDER: build/peers-current)
# Both bring oneDNN and tcmalloc from Debian. What is not installed run.sh leaves out.
set -euo pipefail
cd "$(dirname "$0")/../.."
current=false
if [ "${1:-}" = --current ]; then
  current=true
  shift
fi
$current && name=peers-current || name=peers
folder=$(realpath -m "${1:-build/$name}")

./.ci/setup.sh bench
if $current; then
  /usr/bin/python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet torch==2.15.0 torchvision nncf==3.4.0
else
  /usr/bin/python3 -m venv --system-site-packages "$folder"
  # Without dependencies first: NNCF asks for a PyTorch of PyPI's, and 2.4.0 works with Debian's 1.13.1. What it does import is then
  # installed by name, in versions that fit Debian's NumPy.
  "$folder/bin/pip" install --quiet --no-deps nncf==2.4.0 scipy==1.10.1 pandas==1.5.3 scikit-learn==1.2.2 pymoo==0.5.0 \
    openvino-telemetry packaging joblib threadpoolctl python-dateutil pytz
  "$folder/bin/pip" install --quiet jsonschema==3.2.0 jstyleson networkx==2.8.8 natsort pydot pyparsing tqdm texttable 'numpy<1.25' \
    setuptools
fi
# NNCF compiles its C++ functions at first use: not while something is measured. A slow machine needs more than its minute.
env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE TORCH_EXTENSIONS_DIR="$folder/extensions" NNCF_EXTENSION_LOAD_TIMEOUT=0 \
  "$folder/bin/python" tests/bench/peer.py --compression rb_int8 --batch 2 --image 64 --runs 1 --warmup 0
