#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No retired word (.ci/words.txt), no wide line, dead link or stale name in Markdown, no long subject of a new commit.

New commits are those since WORDS_BASE, by default origin/main; without such a commit only the last one.
"""
import glob
import os
import re
import subprocess
import sys

MARKDOWN_COLUMNS = 160  # outside of tables
SUBJECT_COLUMNS = 72

problems = []


def read_list(path):
    files, words, names = [], [], []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if line.startswith('files:'):
                for pattern in line[len('files:'):].split():
                    files += sorted(glob.glob(pattern, recursive=True))
            elif line and not line.startswith('#'):
                expression, arrow, instead = line.partition(' => ')
                if not arrow:
                    sys.exit(f'{path}:{number}: no " => "')
                if expression.startswith('code: '):
                    names.append((re.compile(rf'(?<![a-zA-Z])(?:{expression[len("code: "):]})(?![a-zA-Z])'), instead))
                else:
                    words.append((re.compile(rf'\b(?:{expression})(?!\w)', re.IGNORECASE), instead))
    return files, words, names


def blank(match):
    return re.sub(r'[^\n]', ' ', match.group(0))


def prose_of_markdown(text, keep_code=False, keep_links=False):
    text = re.sub(r'^```.*?^```$', blank, text, flags=re.DOTALL | re.MULTILINE)
    text = text if keep_code else re.sub(r'`[^`\n]*`', blank, text)
    return text if keep_links else re.sub(r'\]\([^)\n]*\)', blank, text)


def comments_of_c(text):
    kept, end = [], 0
    for match in re.finditer(r'/\*.*?\*/|//[^\n]*', text, re.DOTALL):
        kept += [re.sub(r'[^\n]', ' ', text[end:match.start()]), re.sub(r'^ \*', '  ', match.group(0), flags=re.MULTILINE)]
        end = match.end()
    return re.sub(r'`[^`\n]*`', blank, ''.join(kept) + re.sub(r'[^\n]', ' ', text[end:]))


def code_of_c(text):
    """Without comments and without what stands in quotes."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', blank, text, flags=re.DOTALL)


def search(path, text, words):
    for expression, instead in words:
        for match in expression.finditer(text):
            line = text.count('\n', 0, match.start()) + 1
            problems.append(f'{path}:{line}: "{" ".join(match.group(0).split())}": {instead}')


def check_file(path, words, names):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    markdown = path.endswith('.md')
    # a space in an expression also stands for the end of a line
    words = [(re.compile(expression.pattern.replace(' ', r'\s+'), expression.flags), instead) for expression, instead in words]
    search(path, prose_of_markdown(text) if markdown else comments_of_c(text), words)
    if not markdown:
        search(path, code_of_c(text), names)
    else:
        check_links(path, text)
        if path in MAPS:
            check_names(path, text)
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > MARKDOWN_COLUMNS and not line.lstrip().startswith('|'):
                problems.append(f'{path}:{number}: {len(line)} columns, at most {MARKDOWN_COLUMNS} outside of tables')


def anchors(path):
    """What a hosting site makes of the headings of a page."""
    with open(path, encoding='utf-8') as file:
        headings = re.findall(r'^#+ (.*)$', prose_of_markdown(file.read(), keep_code=True), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).strip().replace(' ', '-') for heading in headings}


def check_links(path, text):
    for match in re.finditer(r'\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)', prose_of_markdown(text, keep_links=True)):
        target, anchor = match.groups()
        file = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        if not os.path.exists(file) or anchor and anchor not in anchors(file):
            line = text.count('\n', 0, match.start()) + 1
            problems.append(f'{path}:{line}: a link to {match.group(0)[2:-1]}, which does not exist')


MAPS = ('docs/architecture.md', 'CONTRIBUTING.md')  # pages that name files and functions of the source


def check_names(path, text):
    """Files and internal functions that a map names exist, so that a reader finds them."""
    files = [file for file in (git('ls-files') or '').split() if os.path.exists(file)]
    source = ''
    for file in files:
        if re.match(r'lib/.*\.(c|h|def)$', file):
            with open(file, encoding='utf-8') as content:
                source += content.read()
    if not source:
        return
    names = {os.path.basename(file) for file in files}
    for match in re.finditer(r'`([^`\n]+)`', text):
        name = match.group(1)
        is_file = re.fullmatch(r'[\w./-]+\.(c|h|def|py|sh|map|txt)', name)
        is_function = re.match(r'(nncf__\w+)', name)
        if is_file and os.path.basename(name) not in names or is_function and not re.search(rf'\b{is_function.group(1)}\b', source):
            line = text.count('\n', 0, match.start()) + 1
            problems.append(f'{path}:{line}: {name} is not in the source')


def git(*arguments):
    result = subprocess.run(['git', *arguments], capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else None


def check_subjects():
    base = os.environ.get('WORDS_BASE') or 'origin/main'
    if git('rev-parse', '--verify', '--quiet', 'HEAD') is None:
        print('no git history: subjects are not checked')
        return 0
    log = git('log', '--no-merges', '--format=%h %s', f'{base}..HEAD')
    if log is None:  # no such commit here
        log = git('log', '--no-merges', '--format=%h %s', '-1') or ''
    for line in log.splitlines():
        commit, _, subject = line.partition(' ')
        if len(subject) > SUBJECT_COLUMNS:
            problems.append(f'commit {commit}: a subject of {len(subject)} columns, at most {SUBJECT_COLUMNS}: {subject}')
    return len(log.splitlines())


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    files, words, names = read_list('.ci/words.txt')
    for path in files:
        check_file(path, words, names)
    commits = check_subjects()
    for problem in problems:
        print(problem)
    print(f'{len(files)} files, {len(words) + len(names)} expressions, {commits} commits: {len(problems)} problems')
    return 1 if problems or not files else 0


if __name__ == '__main__':
    sys.exit(main())
