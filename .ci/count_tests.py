#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts tests from Meson's JSON logs: `count_tests.py LOG...` prints what failed, then `N passed, N failed, N skipped`.

A Check program counts its checks, every other test counts once. A program that ends badly although none of its checks
did (leak report, crash, time limit) is one failure. A skipped test never counts as passed. Exit status 1 when
something failed or nothing passed.
"""
import json
import re
import sys

CHECKS = re.compile(r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$', re.MULTILINE)


def count(test):
    """(passed, failed, skipped) of one entry of testlog.json."""
    if test['result'] == 'SKIP':
        return 0, 0, 1
    good = test['result'] in ('OK', 'EXPECTEDFAIL')
    lines = CHECKS.findall(test.get('stdout', ''))
    checks = sum(int(line[0]) for line in lines)
    bad = sum(int(line[1]) + int(line[2]) for line in lines)
    if lines and (bad or checks):
        # a non-zero exit without a failed check, and the other way round, is a failure of its own
        return checks - bad, bad + (1 if good == (bad > 0) else 0), 0
    if lines:
        return 0, 1, 0  # a Check program that ran no check proves nothing
    return (1, 0, 0) if good else (0, 1, 0)


def reason(test):
    """Why a test was skipped: the line of its output that says so."""
    lines = [line for line in test.get('stdout', '').splitlines() if 'skipped' in line]
    return ': ' + lines[-1].removeprefix('skipped: ').removesuffix(': skipped') if lines else ''


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        try:
            with open(path, encoding='utf-8') as log:
                tests = [json.loads(line) for line in log if line.strip()]
        except FileNotFoundError:
            print('no test ran')
            continue
        except (OSError, ValueError) as problem:
            print(f'{path}: {problem}')
            total[1] += 1
            continue
        for test in tests:
            numbers = count(test)
            total = [a + b for a, b in zip(total, numbers)]
            if numbers[1]:
                print(f'FAILED {test["name"]} ({test["result"]}, exit status {test.get("returncode")}), see {path[:-5]}.txt')
            if numbers[2]:
                print(f'skipped {test["name"]}{reason(test)}')
    passed, failed, skipped = total
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    return 0 if passed and not failed else 1


if __name__ == '__main__':
    sys.exit(main())
