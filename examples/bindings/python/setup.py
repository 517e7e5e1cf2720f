# SPDX-License-Identifier: Apache-2.0
"""Declarations from the headers of the installed library, before the package is built: pkg-config must find nncf."""
import pathlib
import subprocess
import sys

import setuptools
from setuptools.command.build_py import build_py


class MakeAbi(build_py):
    """build_py, and nncf_c/_abi.py in what it builds."""

    def run(self):
        super().run()
        here = pathlib.Path(__file__).resolve().parent
        include = subprocess.run(['pkg-config', '--variable=includedir', 'nncf'], check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run([sys.executable, here / 'make_abi.py', include, pathlib.Path(self.build_lib).resolve() / 'nncf_c' / '_abi.py'], check=True)


setuptools.setup(cmdclass={'build_py': MakeAbi})
