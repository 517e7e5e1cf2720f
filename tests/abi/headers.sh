#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, twice included, as C99, C11, C++11 and C++17, those of C++ as C++17 and C++20: headers.sh INCLUDE_FOLDER. CC, CXX: compilers.
set -euo pipefail
include=$1
flags=(-I"$include" -fsyntax-only -pedantic-errors -Wall -Wextra -Wconversion -Wundef -Werror)
count=0
for header in "$include"/nncf/*.h; do
  name=nncf/$(basename "$header")
  text="#include <$name>
#include <$name>"
  for standard in c99 c11; do
    "${CC:-cc}" -x c -std=$standard "${flags[@]}" -Wstrict-prototypes - <<<"$text" || { echo "$name does not compile as $standard"; exit 1; }
  done
  for standard in c++11 c++17; do
    "${CXX:-c++}" -x c++ -std=$standard "${flags[@]}" -Wold-style-cast - <<<"$text" || { echo "$name does not compile as $standard"; exit 1; }
  done
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "no headers in $include"; exit 1; }
for header in "$include"/nncf/*.hpp; do
  name=nncf/$(basename "$header")
  for standard in c++17 c++20; do
    "${CXX:-c++}" -x c++ -std=$standard "${flags[@]}" -Wold-style-cast -Wshadow - <<<"#include <$name>
#include <$name>" || { echo "$name does not compile as $standard"; exit 1; }
  done
  count=$((count + 1))
done
echo "$count headers"
