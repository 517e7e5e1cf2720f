# SPDX-License-Identifier: Apache-2.0
"""same.py FILE COMMAND...: does the command write what is in the file? If not, say how to make the file anew."""
import subprocess
import sys

path, command = sys.argv[1], sys.argv[2:]
made = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
with open(path, "rb") as file:
    kept = file.read()
if made != kept:
    made_lines, kept_lines = made.splitlines(), kept.splitlines()
    for number, (a, b) in enumerate(zip(made_lines, kept_lines), 1):
        if a != b:
            print(f"{path}:{number}: is\n  {b.decode()}\nand should be\n  {a.decode()}")
            break
    print(f"{path} is stale. Make it anew: {' '.join(command)} >new && mv new {path}")
    sys.exit(1)
