#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
doc/shared.svg, the picture of README.md, is what dm-ctl makes of doc/shared.ini today. Its coordinates may be a little off,
as another compiler rounds in another way.
"""

import os
import re
import subprocess
import sys
import tempfile

SCENARIO, PICTURE, README = sys.argv[1:]
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LARGEST = 40000  # bytes


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def alike(kept, made):
    return (NUMBER.sub("N", kept) == NUMBER.sub("N", made) and
            all(abs(float(a) - float(b)) <= 0.5 for a, b in zip(NUMBER.findall(kept), NUMBER.findall(made))))


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "made.svg")
        subprocess.run([os.environ["DM_CTL"], "simulate", "--svg=" + path, SCENARIO], check=True, timeout=60,
                       stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})
        made = read(path)
    good = True
    if not alike(read(PICTURE), made):
        print("FAIL doc/shared.svg is not what is made today; in the root of the tree, and look at it then:\n"
              "  BUILD/src/ctl/dm-ctl simulate --svg=doc/shared.svg doc/shared.ini")
        good = False
    if len(made) > LARGEST:
        print("FAIL doc/shared.svg has", len(made), "bytes")
        good = False
    for name in ("doc/shared.svg", "doc/shared.ini"):
        if name not in read(README):
            print("FAIL README.md does not name", name)
            good = False
    return 0 if good else 1


sys.exit(main())
