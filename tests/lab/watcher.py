# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Looks at a running host all the time, from two sides, and remembers whatever must never be seen: dynmemd's own
figures as dm-ctl prints them, and what libvirt says of the same guests.
"""

import re
import subprocess
import threading
import time

from host import MIB, PATIENCE, LabError, virsh

# States in which a guest takes part in the sharing, so that its target is bound to its limits.
SHARING = ("active",)
# A guest that ran before the daemon, or before the connection was lost, is booked with more than it was promised until it
# has reported and has then been told a target, since nobody knows what it may have been told before: that may exceed the
# budget, and nobody promised it. It is excused for so many seconds, and then until it is seen booked with no more than it has
# and was told, but not for ever. For the first seconds a new daemon does not even know what guests have.
TAKEOVER = 3
TAKEOVER_MOST = 10 * PATIENCE
# libvirt learns of a balloon's move at most once a second, of each guest at another moment: memory that has just gone
# from one to another may be counted twice for so long.
LIBVIRT_LAG = 3


class Watcher(threading.Thread):
    """Samples until it is stopped. problems holds a line for each rule that was broken in a sample."""

    def __init__(self, daemon, every=0.5):
        super().__init__(daemon=True)
        self.dynmemd, self.every = daemon, every
        self.ended = threading.Event()
        self.samples = 0
        self.libvirt_samples = 0
        self.problems = []
        self.libvirt_over = None
        self.taken_over = {}
        self.start_time = time.monotonic()
        self.begun = self.start_time  # when a new daemon was first seen
        self.ticks = 0

    def run(self):
        due = time.monotonic()
        while not self.ended.wait(max(0, due - time.monotonic())):
            due = max(due + self.every, time.monotonic())
            try:
                self.sample()
            except (LabError, OSError, ValueError, subprocess.TimeoutExpired):
                # The daemon or libvirtd is away because a case stopped it: no figures, nothing to judge.
                continue

    def stop(self):
        self.ended.set()
        self.join()
        return self.problems

    def note(self, text):
        self.problems.append(f"after {time.monotonic() - self.start_time:.1f} s: {text}")

    def booked(self, guest):
        """What it is committed, or was promised while it is taken over."""
        now, promised = time.monotonic(), max(guest["assigned"], guest["target"])
        if guest["rule"] in ("adopting", "link-down") or now - self.begun < TAKEOVER:
            self.taken_over[guest["name"]] = now
        since = now - self.taken_over.get(guest["name"], -TAKEOVER_MOST)
        if since > TAKEOVER_MOST or (since > TAKEOVER and guest["committed"] <= promised):
            self.taken_over.pop(guest["name"], None)
            return guest["committed"]
        return promised

    def sample(self):
        host = self.dynmemd.ctl("host")
        guests = self.dynmemd.ctl("list")["guests"]
        budget = host["budget"]
        if not guests or host["ticks"] == 0:
            return  # it has only just started
        self.samples += 1
        if host["ticks"] < self.ticks:
            self.begun = time.monotonic()
        self.ticks = host["ticks"]
        self.check_budget(guests, budget)
        for guest in guests:
            self.check_guest(guest)
        self.sample_libvirt(guests, budget)

    def check_budget(self, guests, budget):
        committed = sum(self.booked(guest) for guest in guests)
        if committed > budget and time.monotonic() - self.begun >= TAKEOVER:
            each = ", ".join(f"{guest['name']} {guest['state']} committed {guest['committed'] // 1024} assigned "
                             f"{guest['assigned'] // 1024} target {guest['target'] // 1024}" for guest in guests)
            self.note(f"{committed // 1024} KiB are committed of a budget of {budget // 1024}: {each}")

    def check_guest(self, guest):
        if guest["state"] in SHARING and not guest["minimum"] <= guest["target"] <= guest["maximum"]:
            self.note(f"the target of {guest['name']} is {guest['target'] // MIB} MiB, which is not within "
                      f"{guest['minimum'] // MIB} and {guest['maximum'] // MIB}")
        if guest["state"] in SHARING and guest["committed"] < max(guest["assigned"], guest["target"]):
            self.note(f"{guest['name']} is booked with {guest['committed'] // MIB} MiB and has "
                      f"{guest['assigned'] // MIB}, target {guest['target'] // MIB}")

    def sample_libvirt(self, guests, budget):
        """libvirt's record of the balloons, which asks no QEMU and so can't be held up by one."""
        names = [guest["name"] for guest in guests if guest["state"] != "off"]
        if not names:
            return
        said = virsh("; ".join(f"dominfo {name}" for name in names), timeout=10)
        used = [int(number) * 1024 for number in re.findall(r"^Used memory:\s+(\d+) KiB", said, re.MULTILINE)]
        if len(used) != len(names):
            return
        self.libvirt_samples += 1
        if not (all(guest["state"] in SHARING for guest in guests if guest["state"] != "off") and sum(used) > budget):
            self.libvirt_over = None
        elif self.libvirt_over is None:
            self.libvirt_over = time.monotonic()
        elif time.monotonic() - self.libvirt_over >= LIBVIRT_LAG:
            self.note(f"libvirt counts {sum(used) // 1024} KiB in the guests, the budget is {budget // 1024}")
        for guest in guests:
            if guest["name"] in names:
                self.check_size(guest, used[names.index(guest["name"])])

    def check_size(self, guest, actual):
        """actual: the balloon's size, as somebody else knows it."""
        if actual > guest["maximum"]:
            self.note(f"libvirt says {guest['name']} has {actual // MIB} MiB, above its maximum")
        if guest["state"] in SHARING and actual < guest["minimum"] - MIB:
            self.note(f"libvirt says {guest['name']} has {actual // MIB} MiB, below its minimum")
