#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No retired word (.ci/words.txt), no wide line in Markdown, no long subject of a new commit.

New commits are those since WORDS_BASE, by default origin/main, at least the last one.
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
    files, words = [], []
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
                words.append((re.compile(rf'\b(?:{expression})(?!\w)', re.IGNORECASE), instead))
    return files, words


def blank(match):
    return re.sub(r'[^\n]', ' ', match.group(0))


def prose_of_markdown(text):
    text = re.sub(r'^```.*?^```$', blank, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r'`[^`\n]*`', blank, text)
    return re.sub(r'\]\([^)\n]*\)', blank, text)


def comments_of_c(text):
    kept, end = [], 0
    for match in re.finditer(r'/\*.*?\*/|//[^\n]*', text, re.DOTALL):
        kept += [re.sub(r'[^\n]', ' ', text[end:match.start()]), re.sub(r'^ \*', '  ', match.group(0), flags=re.MULTILINE)]
        end = match.end()
    return re.sub(r'`[^`\n]*`', blank, ''.join(kept) + re.sub(r'[^\n]', ' ', text[end:]))


def check_file(path, words):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    markdown = path.endswith('.md')
    prose = prose_of_markdown(text) if markdown else comments_of_c(text)
    for expression, instead in words:
        for match in expression.finditer(re.sub(r'\n *', lambda m: ' ' * len(m.group(0)), prose)):
            line = prose.count('\n', 0, match.start()) + 1
            problems.append(f'{path}:{line}: "{match.group(0).strip()}": {instead}')
    if markdown:
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > MARKDOWN_COLUMNS and not line.lstrip().startswith('|'):
                problems.append(f'{path}:{number}: {len(line)} columns, at most {MARKDOWN_COLUMNS} outside of tables')


def git(*arguments):
    result = subprocess.run(['git', *arguments], capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else None


def check_subjects():
    base = os.environ.get('WORDS_BASE') or 'origin/main'
    if git('rev-parse', '--verify', '--quiet', 'HEAD') is None:
        print('no git history: subjects are not checked')
        return 0
    log = git('log', '--no-merges', '--format=%h %s', f'{base}..HEAD')
    log = log or git('log', '--no-merges', '--format=%h %s', '-1') or ''
    for line in log.splitlines():
        commit, _, subject = line.partition(' ')
        if len(subject) > SUBJECT_COLUMNS:
            problems.append(f'commit {commit}: a subject of {len(subject)} columns, at most {SUBJECT_COLUMNS}: {subject}')
    return len(log.splitlines())


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
    files, words = read_list('.ci/words.txt')
    for path in files:
        check_file(path, words)
    commits = check_subjects()
    for problem in problems:
        print(problem)
    print(f'{len(files)} files, {len(words)} expressions, {commits} commits: {len(problems)} problems')
    return 1 if problems or not files else 0


if __name__ == '__main__':
    sys.exit(main())
