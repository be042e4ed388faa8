# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What is really so on a host, looked at all the time: what each QEMU has touched of its guest's memory, as the kernel
counts it, and where each balloon is, as libvirt has heard it. Beside it what dynmemd says of the same guests.
"""

import mmap
import re
import subprocess
import threading
import time

from host import MIB, LabError, virsh

# Of a guest's memory the kernel counts whole pages, of its firmware too; and a QEMU that ends is counted until it is gone. What
# was promised twice is larger by far.
SLACK_MIB = 12

# Where there is no hook that asks, a guest runs before libvirt tells of it, and one that is reset may touch all its memory before that
# is heard. So long it may have memory that is not booked.
HEARD_SEC = 2


def reading_takes_memory():
    """Whether a page that was only read costs memory: so it is on a kernel without a zero page. QEMU reads all memory
    of a guest that is saved, that migrates, and that arrives, ballooned or not."""
    with mmap.mmap(-1, 4 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages, \
            open("/proc/self/statm", encoding="utf-8") as statm:
        before = int(statm.read().split()[1])
        sum(pages[at] for at in range(0, 4 * MIB, mmap.PAGESIZE))
        statm.seek(0)
        return int(statm.read().split()[1]) - before > 512


class Sample:
    """One look at a host: by guest, figures in MiB."""

    def __init__(self, moment, guests, touched, actual):
        self.moment = moment
        self.guests = guests  # as dm-ctl lists them
        self.touched = touched
        self.actual = actual


class Truth(threading.Thread):
    """Samples until it is stopped. A guest that has touched more than is booked for it is a problem."""

    def __init__(self, host, daemon, every=0.2):
        super().__init__(daemon=True)
        self.host, self.dynmemd, self.every = host, daemon, every
        self.ended = threading.Event()
        self.samples = []
        self.checked = 0
        self.problems = []
        self.reading_takes_memory = reading_takes_memory()
        self.unjudged = set()
        self.news = {}  # since when a guest has memory of which dynmemd can't have heard yet
        self.resets = {}

    def all_is_read(self, guest):
        """Its memory is read as a whole now. Where that takes memory, which nobody who books could know, it is not
        judged by what it has touched any more."""
        if self.reading_takes_memory:
            self.unjudged.add(guest.name)

    def is_reset(self, guest):
        self.resets[guest.name] = time.monotonic()

    def was_reset(self, name, moment):
        """So lately that nobody can have heard of it by then."""
        return moment - self.resets.get(name, 0) < HEARD_SEC

    def run(self):
        while not self.ended.wait(self.every):
            try:
                self.sample()
            except (LabError, OSError, ValueError, subprocess.TimeoutExpired):
                # The daemon is away because a case stopped it.
                continue

    def stop(self):
        self.ended.set()
        self.join()

    def touched(self):
        found = {}
        for guest in list(self.host.guests.values()):
            try:
                found[guest.name] = guest.touched()
            except (OSError, ValueError):
                continue  # it does not run
        return found

    def actual(self):
        """libvirt's record of the balloons, which asks no QEMU and so can't be held up by one."""
        names = list(self.host.guests)
        try:
            said = virsh("-c", self.host.uri, "; ".join(f"dominfo {name}" for name in names), timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return {}
        found = {}
        for part in said.split("Id:")[1:]:
            figures = dict(re.findall(r"^(Name|State|Used memory):\s+(\S+)", part, re.MULTILINE))
            if figures.get("State") in ("running", "paused"):
                found[figures["Name"]] = int(figures["Used memory"]) / 1024
        return found

    def sample(self):
        before = self.touched()
        guests = self.dynmemd.guests()
        if not guests:
            return  # it has only just started, and has not been told who is there
        moment = time.monotonic()
        after = self.touched()
        # Memory may come or go between the looks: what counts was there before and after.
        touched = {name: min(before[name], after[name]) for name in before if name in after}
        self.samples.append(Sample(moment, guests, touched, self.actual()))
        news = {}
        for name, size in touched.items():
            if name in self.unjudged:
                continue
            booked = guests[name]["committed"] / MIB if name in guests else 0
            state = guests[name]["state"] if name in guests else "not known"
            self.checked += 1
            if size <= booked + SLACK_MIB:
                continue
            if state in ("off", "not known") and not self.host.has_hook:
                news[name] = self.news.get(name, moment)
            if moment - news.get(name, 0) >= HEARD_SEC and not self.was_reset(name, moment):
                self.problems.append(f"{name}, {state}, has touched {size:.0f} MiB and is booked at {booked:.0f}")
        self.news = news

    # ---- what was seen since a moment ----

    def since(self, moment):
        return [sample for sample in self.samples if sample.moment >= moment]

    def lowest_actual(self, guest, moment):
        return min((sample.actual[guest.name] for sample in self.since(moment) if guest.name in sample.actual),
                   default=guest.maximum)

    def seen(self, guest, moment):
        """What dm-ctl said of a guest since then, while its QEMU was there or its start was asked for."""
        return [sample.guests[guest.name] for sample in self.since(moment)
                if sample.guests.get(guest.name, {"state": "off"})["state"] != "off"]
