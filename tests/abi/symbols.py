#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One set of functions everywhere: symbols.py SOURCE_FOLDER [SHARED_LIBRARY STATIC_LIBRARY] [--write]

The NNCF_API functions of include/nncf, lib/nncf.map, docs/abi.md and what the shared library exports must be the same.
Every function has a documentation comment with @since, and every enumerator has one. Global symbols of the static
library begin with nncf_. --write brings docs/abi.md up to date; a symbol that is there already keeps its "since".
"""
import pathlib
import re
import subprocess
import sys

FUNCTION = re.compile(r'\bNNCF_API\s+[^;{]*?\b(nncf_\w+)\s*\([^;]*\);', re.DOTALL)
problems = []


def declared(folder):
    """Functions of the headers; complains about those without a documentation comment."""
    names = {}
    for header in sorted(folder.glob('*.h')):
        text = header.read_text(encoding='utf-8')
        text = re.sub(r'^#define NNCF_API\b.*$', '', text, flags=re.MULTILINE)
        for match in FUNCTION.finditer(text):
            name = match.group(1)
            if name in names:
                problems.append(f'{header.name}: {name} is declared twice')
            names[name] = header.name
            comment = re.search(r'/\*\*((?:(?!\*/).)*)\*/\s*$', text[:match.start()], re.DOTALL)
            if not comment:
                problems.append(f'{header.name}: {name} has no documentation comment')
            elif not re.search(r'@since\b|@copyd(oc|etails)\b', comment.group(1)):
                problems.append(f'{header.name}: the comment of {name} does not say @since')
        if len(FUNCTION.findall(text)) != len(re.findall(r'\bNNCF_API\b', text)):
            problems.append(f'{header.name}: not every NNCF_API belongs to a function that this check understands')
    return names


def check_enumerators(folder):
    """Every enumerator but the sentinels has a comment: on its line, or above it. (Doxygen 1.9.4 does not check them.)"""
    count = 0
    for header in sorted(folder.glob('*.h')):
        text = header.read_text(encoding='utf-8')
        for body in re.findall(r'^enum \{\n(.*?)^\};', text, re.DOTALL | re.MULTILINE):
            for match in re.finditer(r'^ *(NNCF_\w+)\s*=\s*[^,/\n]+,?[ \t]*(/\*\*<)?', body, re.MULTILINE):
                name = match.group(1)
                count += 1
                above = re.search(r'/\*\*(?!<)((?!\*/).)*\*/\s*$', body[:match.start()], re.DOTALL)
                if not (name.endswith('_SENTINEL') or match.group(2) or above):
                    problems.append(f'{header.name}: {name} has no documentation comment')
    if count < 50:
        problems.append(f'only {count} enumerators were found in {folder}')


def mapped(path):
    """{symbol: node} of the version script; complains about wildcards."""
    symbols = {}
    text = re.sub(r'/\*.*?\*/', '', path.read_text(encoding='utf-8'), flags=re.DOTALL)
    for node, body in re.findall(r'\bNNCF_([\d.]+)\s*\{(.*?)\}', text, re.DOTALL):
        exported = re.search(r'global:(.*?)(?:local:|$)', body, re.DOTALL)
        for symbol in re.findall(r'([^\s;]+)\s*;', exported.group(1) if exported else ''):
            if not re.fullmatch(r'\w+', symbol):
                problems.append(f'{path.name}: {symbol} is a pattern; name every symbol')
            symbols[symbol] = node
    return symbols


def documented(path):
    """{symbol: since} of the table in docs/abi.md."""
    if not path.exists():
        return {}
    return dict(re.findall(r'^\| `(nncf_\w+)` \| ([\d.]+) \|', path.read_text(encoding='utf-8'), re.MULTILINE))


def write_table(path, symbols, headers):
    text = path.read_text(encoding='utf-8')
    known = documented(path)
    rows = [f'| `{name}` | {known.get(name, symbols[name])} | {headers.get(name, "?")} |' for name in sorted(symbols)]
    table = '\n'.join(['| function | since | header |', '|---|---|---|'] + rows)
    path.write_text(re.sub(r'\| function \| since.*?(?=\n\n|\Z)', lambda _: table, text, flags=re.DOTALL).rstrip('\n') + '\n',
                    encoding='utf-8')


def differ(what, names, other, others):
    for name in sorted(set(names) - set(others)):
        problems.append(f'{name} is in {what}, not in {other}')
    for name in sorted(set(others) - set(names)):
        problems.append(f'{name} is in {other}, not in {what}')


def nm(*arguments):
    lines = subprocess.run(['nm', *arguments], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split() for line in lines if len(line.split()) == 3]


def check_libraries(shared, static, symbols):
    exported = {}
    for _, kind, name in nm('-D', '--defined-only', shared):
        base, _, version = name.partition('@@')
        if kind != 'A':  # the version nodes themselves
            exported[base] = version
            if kind != 'T':
                problems.append(f'{base} is exported and is no function (nm: {kind})')
    differ('the symbol map', symbols, 'the shared library', exported)
    for name, version in exported.items():
        if version != f'NNCF_{symbols.get(name)}':
            problems.append(f'{name} is exported as version {version}')
    archive = nm('-g', '--defined-only', static)
    if not archive:
        problems.append(f'{static} has no global symbols')
    for _, _, name in archive:
        # names of a sanitizer or a profiler are the compiler's
        if not re.match(r'nncf_|__(asan|odr_asan|tsan|ubsan|gcov|profc|llvm)|DW\.ref\.', name):
            problems.append(f'{name} is global in the static library and does not begin with nncf_')


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != '--write']
    source = pathlib.Path(arguments[0])
    headers = declared(source / 'include' / 'nncf')
    check_enumerators(source / 'include' / 'nncf')
    symbols = mapped(source / 'lib' / 'nncf.map')
    table = source / 'docs' / 'abi.md'
    if '--write' in sys.argv:
        write_table(table, symbols, headers)
    differ('the headers', headers, 'lib/nncf.map', symbols)
    differ('lib/nncf.map', symbols, 'docs/abi.md', documented(table))
    for name, since in documented(table).items():
        if name in symbols and symbols[name] != since:
            problems.append(f'{name}: docs/abi.md says since {since}, lib/nncf.map {symbols[name]}')
    if len(arguments) >= 3:
        check_libraries(arguments[1], arguments[2], symbols)
    for problem in problems:
        print(problem)
    print(f'{len(symbols)} symbols, {len(problems)} problems')
    return 1 if problems or not symbols else 0


if __name__ == '__main__':
    sys.exit(main())
