# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What all cases of tests/host share. A scene starts from a snapshot of the host (SNAPSHOTS of cases.py); its cases run in order, or
each of them from that snapshot. What a case returns is printed behind it.
"""

from host import Host

# Of the journal: error.
ERROR = 3


def check(condition, text):
    if not condition:
        raise AssertionError(text)


class Scene:
    """Base of all scenes. A case is a method whose name starts with case_."""

    BEGINS = "booted"  # the snapshot
    ANEW = False       # each case begins from it
    table = []         # of all scenes: (case, guest, shortfall, size, peak, seconds to gone, seconds of the boot)

    def __init__(self, machine):
        self.machine = machine
        self.host = Host(machine)

    @classmethod
    def case_names(cls):
        return [name[len("case_"):] for name in cls.__dict__ if name.startswith("case_")]
