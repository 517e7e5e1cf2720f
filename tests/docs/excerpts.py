#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""excerpts.py PAGE.md SOURCE: the blocks of ```C (not c, which is compiled) are lines of the source."""
import re
import sys

page, source = (open(path, encoding='utf-8').read() for path in sys.argv[1:])
blocks = re.findall(r'^```C\n(.*?)^```$', page, re.DOTALL | re.MULTILINE)
missing = [block for block in blocks if block not in source]
for block in missing:
    print(f'not in {sys.argv[2]}:\n{block}')
print(f'{len(blocks)} excerpts, {len(missing)} are stale')
sys.exit(not blocks or bool(missing))
