#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The worked examples of dm-ctl-simulate(1) are run as they stand there, and must print what stands there. Their figures may
be off by a quarter, so that the page need not be written anew for each small change of the policy.

With --print the page's commands are run and what they print is printed.
"""

import os
import re
import subprocess
import sys
import tempfile

PAGE = sys.argv[1]
NUMBER = re.compile(r"(?<![\w-])\d+(?:\.\d+)?(?!\w)")
ESCAPES = {r"\-": "-", r"\(dq": '"', r"\(aq": "'", r"\(ha": "^", r"\fB": "", r"\fP": "", r"\&": "", r"\e": "\\"}


def plain(text):
    for escape, character in ESCAPES.items():
        text = text.replace(escape, character)
    return text


def blocks(page):
    """What follows each comment: ("file NAME" or "run", the lines between .EX and .EE)."""
    for what, text in re.findall(r'^\.\\" (file \S+|run)\n.*?^\.EX\n(.*?)^\.EE$', page, re.MULTILINE | re.DOTALL):
        yield what, plain(text)


def commands(text):
    """The commands of a block, each with what it is to print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next((i for i, line in enumerate(lines) if line.strip() == "done"), 0)
        yield "\n".join(lines[:last + 1]), lines[last + 1:]


def alike(expected, got):
    """The same but for figures, which may be a quarter apart, and the place of blanks."""
    if NUMBER.sub("N", " ".join(expected.split())) != NUMBER.sub("N", " ".join(got.split())):
        return False
    return all(abs(float(a) - float(b)) <= max(3.0, 0.25 * float(a))
               for a, b in zip(NUMBER.findall(expected), NUMBER.findall(got)))


def main():
    good = True
    ran = 0
    environment = {**os.environ, "LC_ALL": "C.UTF-8",
                   "PATH": os.path.dirname(os.environ["DM_CTL"]) + ":" + os.environ["PATH"]}
    with open(PAGE, encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
        for what, text in blocks(file.read()):
            if what != "run":
                with open(os.path.join(folder, what.split()[1]), "w", encoding="utf-8") as example:
                    example.write(text)
                continue
            for command, expected in commands(text):
                got = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, check=True, timeout=60,
                                     capture_output=True, text=True).stdout.splitlines()
                ran += 1
                if "--print" in sys.argv:
                    print("$ " + command, *got, sep="\n")
                elif len(got) != len(expected) or not all(map(alike, expected, got)):
                    good = False
                    print("FAIL", command, "is to print", *expected, "and prints", *got, sep="\n")
    if ran != 5:
        print("FAIL the page has", ran, "commands to try")
        good = False
    return 0 if good else 1


sys.exit(main())
