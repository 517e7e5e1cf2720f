#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""extract.py PAGE.md LANGUAGE OUT: the blocks of a language in a page, in order, as one file.

In C, #line directives point into the page.
"""
import re
import sys

page, language, out = sys.argv[1:4]
with open(page, encoding='utf-8') as file:
    text = file.read()
blocks = list(re.finditer(rf'^```{language}\n(.*?)^```$', text, re.DOTALL | re.MULTILINE))
if not blocks:
    sys.exit(f'{page}: no block of {language}')
with open(out, 'w', encoding='utf-8') as file:
    for block in blocks:
        if language == 'c':
            file.write(f'#line {text.count(chr(10), 0, block.start(1)) + 1} "{page}"\n')
        file.write(block.group(1))
