#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds an outside program against the installed library with pkg-config alone, and runs it.
#   run.sh BUILD_FOLDER c99|c++11|c++17|cmake    installs the build into a temporary folder first
#   run.sh --installed PREFIX c99|c++11|c++17|cmake    uses what `meson install` put under PREFIX
# CC and CXX name the compilers. c99 and c++11 are program.c, c++17 is program.cpp and training.cpp on nncf.hpp;
# cmake is both with find_package(nncf), from a prefix that was moved. Three ways to link: shared; static libnncf with shared libraries else; all static.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$1" = --installed ]; then
  prefix=$2
  shift
else
  # With DESTDIR the .pc file names the final prefix. The files lie elsewhere for now: say so, as relocating packagers do.
  meson install -C "$1" --no-rebuild --quiet --destdir "$work/stage"
  pc=$(find "$work/stage" -name nncf.pc)
  prefix=$work/stage$(sed -n 's/^prefix=//p' "$pc")
  sed -i "s|^prefix=.*|prefix=$prefix|" "$pc"
fi
standard=$2
arguments=()

pc=$(find "$prefix" -name nncf.pc)
[ -n "$pc" ] || { echo "nncf.pc was not installed under $prefix"; exit 1; }
libdir=$(dirname "$(dirname "$pc")")
for file in "$prefix/include/nncf/nncf.h" "$libdir/libnncf.so" "$libdir/libnncf.a"; do
  [ -e "$file" ] || { echo "$file was not installed"; exit 1; }
done

if [ "$standard" = cmake ]; then
  cp -r "$prefix" "$work/moved"
  cmake -S "$here/cmake" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_BUILD_TYPE=Release >"$work/log" || { cat "$work/log"; exit 1; }
  grep -q "^-- nncf .* in $work/moved" "$work/log" || { echo "another nncf than the moved one was found"; cat "$work/log"; exit 1; }
  cmake --build "$work/cmake" >"$work/log" || { cat "$work/log"; exit 1; }
  for program in shared static cpp; do
    echo "== $program"
    "$work/cmake/$program" "$work"
  done
  readelf -d "$work/cmake/static" | grep -q 'NEEDED.*libnncf' && { echo "the static program needs the shared library"; exit 1; }
  readelf -d "$work/cmake/cpp" | grep -q 'NEEDED.*libnncf\.so\.' || { echo "the shared program does not name the SONAME"; exit 1; }
  cmake -S "$here/cmake" -B "$work/next" -DCMAKE_PREFIX_PATH="$work/moved" -DNNCF_VERSION=0.2 >"$work/log" 2>&1 && { echo "0.2 was found"; exit 1; }
  grep -q 'nncfConfig.cmake, version: 0.1' "$work/log" || { cat "$work/log"; exit 1; }
  exit 0
fi

case "$standard" in
  c99)
    compiler=("${CC:-cc}" -std=c99)
    source=("$here/program.c")
    ;;
  c++11)
    compiler=("${CXX:-c++}" -std=c++11)
    source=("$work/program.cc")
    cp "$here/program.c" "$work/program.cc"
    ;;
  c++17)
    compiler=("${CXX:-c++}" -std=c++17)
    source=("$here/program.cpp" "$here/training.cpp" -pthread)
    arguments=("$work") # for a snapshot
    ;;
  *) echo "unknown standard $standard"; exit 2 ;;
esac
compiler+=(-pedantic-errors -Wall -Wextra -Werror)

# build NAME PKG_CONFIG_FLAGS [COMPILER_FLAG...]: the compiler gets pkg-config's words and nothing else of the library's.
build() {
  local name=$1 flags=${2:---print-errors}
  shift 2
  local cflags libs
  read -ra cflags <<<"$(pkg-config "$flags" --cflags nncf)"
  read -ra libs <<<"$(pkg-config "$flags" --libs nncf)"
  echo "== $name: $(basename "${compiler[0]}") $* ${libs[*]}"
  "${compiler[@]}" "$@" "${cflags[@]}" "${source[@]}" -o "$work/$name" "${libs[@]}"
}

export PKG_CONFIG_PATH=$libdir/pkgconfig
build shared ""
readelf -d "$work/shared" | grep -q 'NEEDED.*libnncf\.so\.' || { echo "the shared program does not name the SONAME"; exit 1; }
LD_LIBRARY_PATH=$libdir "$work/shared" "${arguments[@]}"

# Where only the archive is installed, as with -Ddefault_library=static.
cp -r "$libdir" "$work/lib"
rm -f "$work"/lib/libnncf.so*
sed -i "s|^libdir=.*|libdir=$work/lib|" "$work/lib/pkgconfig/nncf.pc"
export PKG_CONFIG_PATH=$work/lib/pkgconfig
build archive --static
"$work/archive" "${arguments[@]}"

# All static, where the system has archives of everything else.
read -ra others <<<"$(pkg-config --static --libs-only-l nncf | sed 's/-lnncf//')"
if echo 'int main(void) { return 0; }' | "${CC:-cc}" -x c -static -o "$work/probe" - -x none "${others[@]}" 2>/dev/null; then
  build static --static -static
  "$work/static" "${arguments[@]}"
else
  echo "== static: left out, some of these have no archive here: ${others[*]}"
fi
