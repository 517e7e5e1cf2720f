# SPDX-License-Identifier: Apache-2.0
"""doxygen_filter.py FILE: the file as Doxygen should read it; line numbers stay.

Headers: "@par Threads any." would make a title of the whole line, so known titles become commands (Doxyfile.in, ALIASES);
statuses become links, and the enumerators of NNCF_STATUS_MAP get the comments that the map holds.
Pages: comments are left out, headings get labels and links to headings use them, and links to files that are no pages
become plain text.
"""
import os
import re
import sys

STATUS = re.compile(r'(?<![`\w#])(NNCF_OK|NNCF_E_[A-Z]+)\b(?!`)')
LINK = re.compile(r'(?<!!)\[([^\]]*)\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)')


def header(text):
    text = re.sub(r'@par (Threads|Errors|Ownership|Memory):? ?', lambda m: f'@{m.group(1).lower()} ', text)
    text = re.sub(r'/\*\*.*?\*/', lambda m: STATUS.sub(r'#\1', m.group(0)), text, flags=re.DOTALL)
    entries = re.findall(r'^ *X\((NNCF_\w+), (-?\d+), "([^"]*)"\)', text, re.MULTILINE)
    enumerators = ' '.join(f'{name} = {value}, /**< {meaning} */' for name, value, meaning in entries)
    return re.sub(r'^#define NNCF_STATUS_ENUM.*\n +NNCF_STATUS_MAP\(NNCF_STATUS_ENUM\)\n#undef NNCF_STATUS_ENUM\n',
                  lambda _: f'\n{enumerators}\n\n', text, flags=re.MULTILINE)


def label(page, heading):
    """Of a heading, or of the anchor that a hosting site makes of it."""
    slug = re.sub(r'[^\w -]', '', heading.lower()).strip().replace(' ', '-')
    return f'{page}-{slug}'


def page_label(page):
    return 'index' if page == 'readme' else f'page_{page}'


def pages(text, path):
    own = os.path.splitext(os.path.basename(path))[0].lower()

    def link(match):
        name, target, anchor = match.groups()
        if not target and not anchor or target and not target.endswith('.md'):
            return name
        page = os.path.splitext(os.path.basename(target))[0].lower() if target else own
        return f'[{name}](#{label(page, anchor) if anchor else page_label(page)})'

    text = re.sub(r'<!--.*?-->', lambda m: '\n' * m.group(0).count('\n'), text, flags=re.DOTALL)
    parts = re.split(r'(^```.*?^```$)', text, flags=re.DOTALL | re.MULTILINE)
    for i in range(0, len(parts), 2):
        parts[i] = LINK.sub(link, parts[i])
        if own != 'readme':  # which is the main page
            parts[i] = re.sub(r'^# (.*)$', lambda m: f'# {m.group(1)} {{#{page_label(own)}}}', parts[i], flags=re.MULTILINE)
        parts[i] = re.sub(r'^(##+) (.*)$', lambda m: f'{m.group(1)} {m.group(2)} {{#{label(own, m.group(2))}}}', parts[i],
                          flags=re.MULTILINE)
    return ''.join(parts)


with open(sys.argv[1], encoding='utf-8') as file:
    content = file.read()
sys.stdout.write(header(content) if sys.argv[1].endswith('.h') else pages(content, sys.argv[1]))
