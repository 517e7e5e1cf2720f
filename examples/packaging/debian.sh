#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian packages of this source: debian.sh OUTPUT_FOLDER
# Makes libnncf0.1, libnncf-dev and nncf-tools, lets lintian look at them, unpacks them and builds programs against what they
# hold. Needs debhelper, lintian, fakeroot and the packages of `.ci/setup.sh build`; takes a few minutes. Nothing is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$(dirname "$here")")
mkdir -p "$1"
output=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$source/meson.build")

# The files of git, as they are here.
mkdir "$work/nncf-$version"
git -C "$source" ls-files -z | (cd "$source" && xargs -0 --no-run-if-empty cp --parents -t "$work/nncf-$version")
cp -r "$here/debian" "$work/nncf-$version/debian"
cd "$work/nncf-$version"
grep -q "^nncf ($version-" debian/changelog || { echo "debian/changelog is not of $version"; exit 1; }
dpkg-buildpackage --build=binary --no-sign -j"$(nproc)" >"$output/build.log" 2>&1 || { tail -n 40 "$output/build.log"; exit 1; }
cp "$work"/*.deb "$output"
lintian --fail-on error,warning "$work"/*.changes
for package in libnncf0.1 libnncf-dev nncf-tools; do
  dpkg-deb -x "$work/${package}_$version"-*.deb "$work/root"
  ls -l "$work/${package}_$version"-*.deb | awk '{print $9 ": " $5 " bytes"}' | sed 's|.*/||'
done

# As installed under another root.
root=$work/root/usr
libdir=$(dirname "$(find "$root" -name libnncf.so)")
sed -i "s|^prefix=.*|prefix=$root|" "$libdir/pkgconfig/nncf.pc"
for standard in c99 c++17 cmake; do "$source/tests/consumer/run.sh" --installed "$root" "$standard" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; done
for program in nncf-config nncf-classification nncf-report; do
  LD_LIBRARY_PATH=$libdir "$root/bin/$program" --version
  [ -s "$root/share/man/man1/$program.1.gz" ] && [ -s "$root/share/bash-completion/completions/$program" ]
done
echo "packages: $output"
