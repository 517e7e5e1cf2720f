#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is every public function in the wrappers of C++ and Python? wrapped.py SOURCE_FOLDER

A function of lib/nncf.map is used by nncf.hpp and the headers that belong to it, and by the package nncf_c, or stands in
unwrapped.txt with the reason why not. What stands there must exist, and must not be wrapped.
"""
import fnmatch
import pathlib
import re
import sys

PYTHON = pathlib.Path('examples/bindings/python/src/nncf_c')
# Covered for all structs by params() in C++; named at run time by make() and Model.add() in Python.
GENERIC = {'python': ('nncf_*_init', 'nncf_model_add_*'), 'c++': ('nncf_*_init',)}


def code(path):
    """Its text without comments and docstrings."""
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        return re.sub(r'""".*?"""|#[^\n]*', '', text, flags=re.DOTALL)
    return re.sub(r'/\*.*?\*/|//[^\n]*', '', text, flags=re.DOTALL)


def words(paths):
    found = set()
    for path in paths:
        found |= set(re.findall(r'\bnncf_\w+', code(path)))
    return found


def listed(path):
    """[(language, pattern, reason)]"""
    rows = []
    for line in path.read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            language, patterns, reason = (part.strip() for part in line.split('|'))
            rows += [(language, pattern, reason) for pattern in patterns.split()]
    return rows


def main():
    source = pathlib.Path(sys.argv[1])
    functions = re.findall(r'^ +(nncf_\w+);', (source / 'lib' / 'nncf.map').read_text(encoding='utf-8'), re.MULTILINE)
    used = {'c++': words(sorted((source / 'include' / 'nncf').glob('*.hpp'))), 'python': words(sorted((source / PYTHON).glob('*.py')))}
    problems, counts = [], {language: 0 for language in used}
    rows = listed(source / 'tests' / 'abi' / 'unwrapped.txt')
    for language, pattern, reason in rows:
        matching = fnmatch.filter(functions, pattern)
        if language not in used or not reason:
            problems.append(f'unwrapped.txt: "{language}" is no language, or {pattern} has no reason')
        elif not matching:
            problems.append(f'unwrapped.txt: {language}: no function is named {pattern}')
        elif set(matching) <= used[language]:
            problems.append(f'unwrapped.txt: {language}: {pattern} is wrapped by now: take it out')
    for language, names in used.items():
        exempt = [pattern for other, pattern, _ in rows if other == language]
        for function in functions:
            if function in names or any(fnmatch.fnmatch(function, pattern) for pattern in GENERIC[language]):
                counts[language] += 1
            elif not any(fnmatch.fnmatch(function, pattern) for pattern in exempt):
                problems.append(f'{function} is not in the wrapper for {language}: add it, or name the reason in unwrapped.txt')
    for problem in problems:
        print(problem)
    print(f'{len(functions)} functions, ' + ', '.join(f'{count} in {language}' for language, count in counts.items()))
    return 1 if problems or not functions else 0


if __name__ == '__main__':
    sys.exit(main())
