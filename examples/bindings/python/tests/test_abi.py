# SPDX-License-Identifier: Apache-2.0
"""What the package believes of structs, enumerators and functions, against facts that the C compiler has checked."""
import os
import pathlib
import re

import pytest

import nncf_c

ROOT = pathlib.Path(os.environ.get('NNCF_SOURCE') or pathlib.Path(__file__).resolve().parents[4])
FACTS = (ROOT / 'tests' / 'abi' / 'layout.c').read_text(encoding='utf-8')


def test_sizes_and_offsets():
    sizes = re.findall(r'^SIZE\((\w+), (\d+)\)', FACTS, re.MULTILINE)
    members = re.findall(r'^MEMBER\((\w+), (\w+), (\d+)\)', FACTS, re.MULTILINE)
    assert len(sizes) > 20 and len(members) > 200
    assert {name: nncf_c.ffi.sizeof(name) for name, _ in sizes} == {name: int(size) for name, size in sizes}
    for name, member, offset in members:
        assert nncf_c.ffi.offsetof(name, member) == int(offset), f'{name}.{member}'


def test_functions():
    listed = set(re.findall(r'^ +(nncf_\w+);', (ROOT / 'lib' / 'nncf.map').read_text(encoding='utf-8'), re.MULTILINE))
    known = {name for name in dir(nncf_c.lib) if name.startswith('nncf_')}
    assert known == listed
    for name in known:
        assert getattr(nncf_c.lib, name)


def test_constants():
    assert nncf_c.ACTIVATION_RELU == 1 and nncf_c.MAX_NDIM == 8 and nncf_c.E_ARG == -1
    assert nncf_c.API_VERSION == nncf_c.lib.nncf_version_number()
    with pytest.raises(AttributeError, match='NNCF_NO_SUCH'):
        nncf_c.NO_SUCH
