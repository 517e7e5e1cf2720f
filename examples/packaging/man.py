#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A man page from what a program's --help prints: man.py VERSION BRIEF PROGRAM > PAGE

Lines of two spaces, a term, two spaces and a text (or more lines of text under it) become the list of options.
"""
import os
import re
import subprocess
import sys

ENTRY = re.compile(r'^  (\S+(?: [A-Z]\S*)*(?:, --\w+)*)(?: {2,}(.*)| ([a-z].*))?$')


def roff(text):
    return text.replace('\\', '\\e').replace('-', '\\-').replace("'", '\\(aq')


def main():
    version, brief, program = sys.argv[1:4]
    name = os.path.basename(program)
    lines = subprocess.run([program, '--help'], check=True, capture_output=True, text=True).stdout.splitlines()
    usage, body = lines[0].partition('usage: ')[2], lines[1:]
    if not usage.startswith(name):
        sys.exit(f'man.py: {name} --help does not begin with its usage')
    first = next((i for i, line in enumerate(body) if line.startswith('  ')), len(body))
    print(f'.\\" Made by examples/packaging/man.py.\n.TH {name.upper()} 1 "" "libnncf {version}" "User Commands"')
    print(f'.SH NAME\n{name} \\- {roff(brief)}\n.SH SYNOPSIS\n.B {name}\n{roff(usage[len(name):].strip())}')
    print('.SH DESCRIPTION\n' + roff(' '.join(line for line in body[:first] if line.strip()) or f'{name} is for this: {brief}.'))
    print('.SH OPTIONS')
    entries = 0
    for line in body[first:]:
        entry = ENTRY.match(line)
        if entry:
            print(f'.TP\n\\fB{roff(entry.group(1))}\\fR\n{roff(entry.group(2) or entry.group(3) or "print it, and nothing else")}')
            entries += 1
        elif line.strip():
            print(roff(line.strip()))
    print('.SH SEE ALSO\n.BR nncf-config (1),\n.BR nncf-classification (1),\n.BR nncf-report (1)\n.br\nThe documentation of libnncf: docs/config.md and docs/classification.md of its source.')
    return 0 if entries else 'man.py: no options were found'


if __name__ == '__main__':
    sys.exit(main())
