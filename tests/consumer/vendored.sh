#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library inside of a program with a plain Makefile, as examples/packaging/nncf.mk has it; without optimization and with
# few kernels, so that it takes little time. The archive has the functions of the symbol map, as the other builds have.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$(dirname "$here")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/Makefile" <<TEXT
NNCF = $source
include \$(NNCF)/examples/packaging/nncf.mk
program: \$(NNCF_LIB)
	\$(CC) -std=c99 -I\$(NNCF)/include $here/program.c -o \$@ \$(NNCF_LIB) -ljson-c -lm -pthread
TEXT
isa=''
[ "$(uname -m)" != x86_64 ] || isa=avx2
[ "$(uname -m)" != aarch64 ] || isa=neon
make -C "$work" -j "$(nproc)" --quiet NNCF_ISA="$isa" CC="${CC:-cc} -O0 -w" program
[ -f "$work/nncf-objects/libnncf.a" ]
"$work/program"
nm -g --defined-only "$work/nncf-objects/libnncf.a" | sed -n 's/.* T \(nncf_[a-z].*\)/\1/p' | grep -v nncf__ | sort >"$work/archive"
sed -n 's/^    \(nncf_.*\);/\1/p' "$source/lib/nncf.map" | sort >"$work/map"
[ -s "$work/map" ] && diff "$work/map" "$work/archive"
echo "$(wc -l <"$work/map") functions"
