#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Declarations for cffi from the headers of C: make_abi.py [INCLUDE_FOLDER] [OUTPUT]

The C preprocessor reads nncf/nncf.h, so that whatever the headers declare is there: structs, enumerators and functions of
any release. INCLUDE_FOLDER holds nncf/nncf.h; default: what `pkg-config nncf` says. OUTPUT is src/nncf_c/_abi.py, a module
of Python that cffi loads without a compiler; CC names the preprocessor's compiler.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import cffi

HERE = pathlib.Path(__file__).resolve().parent
# Of these cffi knows the types; the real ones hold what it cannot read.
SYSTEM_HEADERS = ('stddef.h', 'stdint.h')


def include_folder():
    words = shlex.split(subprocess.run(['pkg-config', '--variable=includedir', 'nncf'], check=True, capture_output=True, text=True).stdout)
    return pathlib.Path(words[0])


def declarations(include):
    """The text of all declarations, and the macros that are numbers."""
    with tempfile.TemporaryDirectory() as empty:
        for name in SYSTEM_HEADERS:
            (pathlib.Path(empty) / name).write_text('', encoding='utf-8')
        # without __GNUC__ the headers have no attributes
        command = [*shlex.split(os.environ.get('CC', 'cc')), '-E', '-P', '-U__GNUC__', '-nostdinc', f'-I{empty}', f'-I{include}',
                   str(include / 'nncf' / 'nncf.h')]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    macros = {}
    for header in sorted((include / 'nncf').glob('*.h')):
        for name, number in re.findall(r'^#define (NNCF_\w+) (0x[0-9a-fA-F]+|\d+)$', header.read_text(encoding='utf-8'), re.MULTILINE):
            macros[name] = int(number, 0)
    return text, macros


def main():
    include = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else include_folder()
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / 'src' / 'nncf_c' / '_abi.py'
    text, macros = declarations(include)
    text += ''.join(f'\n#define {name} {number}' for name, number in sorted(macros.items()))
    ffi = cffi.FFI()
    ffi.cdef(text)
    ffi.set_source('nncf_c._abi', None)
    ffi.emit_python_code(str(output))


if __name__ == '__main__':
    main()
