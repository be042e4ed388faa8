# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What a guest's limit costs the host's page cache of its disk: how fast a guest writes and reads through it (cache=writeback), and
how fast a program in the guest's cgroup does, with MemoryHigh=yes as a share of the speed with MemoryHigh=no. Both take turns in
one boot, since an emulated host is never as fast as another.
"""

import shlex
import statistics
import time

from host import MIB, wait_until
from package_cases import WithGuest
from scene import check

# What is written and read, in MiB: more than a limit's slack, and less than what the kernel lets anybody write without waiting.
SIZE = 128
# Of the minimum, what the guest holds. The rest of it is its kernel's.
LOAD = 230
TURNS = 3
# What the kernel counts decides, however slow the machine is: the least share of what was written that is found again in the cache,
# how often the guest was held back at most, and how much of the time the host stalled, in percent.
FOUND_LEAST = 0.95
EVENTS_MOST = 5
STALLED_MOST = 1
# The least share of its speed without a limit. Turns of one kind differ by more than that on a machine that has other things to do,
# so it counts where no turn with the limit comes near any without it, also once there are so many of each.
LEAST = 0.95
TURNS_MOST = 8


class Turn:
    """What was measured with the limit or without: MiB a second, by what was done, and what the kernel counted meanwhile."""

    def __init__(self):
        self.speeds = {}
        self.events = 0  # memory.events: high
        self.stalled = 0.0  # of the time, in percent: the host's memory pressure, some
        self.read_again = 0  # from the disk, of what had been in the cache, in MiB


class Cache(WithGuest):
    """A squeezed guest that holds what it has, and a disk on a host that has plenty of free memory."""

    ANEW = True
    group = None  # the folder of its cgroup, for a shell

    def begin(self):
        self.installed()
        self.group = shlex.quote(self.host.group(self.web))
        self.hold(LOAD)
        self.squeeze()

    def limit_guests(self, switch):
        # without a budget: what the host can afford is to be had
        self.host.configure(Enforcement={"MemoryHigh": switch})
        wait_until(f"MemoryHigh={switch} is in force", 60, lambda: (self.limit()[0] == "max") == (switch == "no"))
        # a limit that was just set comes down in steps
        time.sleep(5)

    def counted(self):
        """(high events, microseconds of the host's memory pressure, MiB read from the disk, seconds since the boot)."""
        said = self.host.run(f"""
sed -n 's/^high //p' {self.group}/memory.events
sed -n 's/^some.*total=//p' /proc/pressure/memory
sed -n 's/.* vda [0-9]* [0-9]* \\([0-9]*\\) .*/\\1/p' /proc/diskstats
cut -d. -f1 /proc/uptime""").split()
        events, stalled, sectors, uptime = (int(word) for word in said)
        return events, stalled, sectors * 512 // MIB, uptime

    def turn(self, switch, write, flush, read):
        """One turn: each of write, flush and read is done once, and takes its seconds."""
        self.limit_guests(switch)
        self.host.run("sync; echo 3 >/proc/sys/vm/drop_caches")
        turn = Turn()
        before = self.counted()
        wrote, stored = write(), flush()
        between = self.counted()
        took = read()
        after = self.counted()
        turn.speeds = {"writes": SIZE / wrote, "writes and flushes": SIZE / (wrote + stored), "reads": SIZE / took}
        turn.events = after[0] - before[0]
        turn.stalled = (after[1] - before[1]) / 1e4 / max(1, after[3] - before[3])
        turn.read_again = after[2] - between[2]
        return turn

    def take_turns(self, *steps):
        """Measures, and returns what it came to in words."""
        self.begin()
        self.turn("no", *steps)  # what is done for the first time may take longer
        free, limited = [], []
        while len(free) < TURNS or (len(free) < TURNS_MOST and self.slower(free, limited)):
            free.append(self.turn("no", *steps))
            limited.append(self.turn("yes", *steps))
        said = [f"{len(free)} turns of {SIZE} MiB"]
        for what in free[0].speeds:
            before, under = (statistics.median(turn.speeds[what] for turn in turns) for turns in (free, limited))
            said.append(f"{what} {under:.1f} of {before:.1f} MiB/s ({under / before:.2f})")
        middle = {}
        for turns, text in ((free, "without a limit"), (limited, "limited")):
            middle = {count: statistics.median(getattr(turn, count) for turn in turns)
                      for count in ("events", "read_again", "stalled")}
            said.append(f"{text}: {middle['events']:.0f} high events, {middle['read_again']:.0f} MiB read from the disk again, "
                        f"the host stalled for {middle['stalled']:.1f} % of the time")
        text = "; ".join(said)
        check(middle["read_again"] <= SIZE * (1 - FOUND_LEAST), f"what is in the cache is read again: {text}")
        check(middle["events"] <= EVENTS_MOST, f"it is held back: {text}")
        check(middle["stalled"] <= STALLED_MOST, f"the host stalls: {text}")
        slow = self.slower(free, limited)
        check(not slow, f"{', '.join(slow)} less than {LEAST} of it: {text}")
        return text

    @staticmethod
    def slower(free, limited):
        """What even the fastest turn with the limit did too slowly, beside the slowest one without."""
        return [what for what in free[0].speeds
                if max(turn.speeds[what] for turn in limited) < LEAST * min(turn.speeds[what] for turn in free)]

    def case_guest_writes_and_reads_through_the_page_cache(self):
        def disk(command):
            begun = time.monotonic()
            self.machine.ask(self.web.name, f"disk {command}")
            return time.monotonic() - begun

        return self.take_turns(lambda: disk(f"write {SIZE}"), lambda: disk("flush"), lambda: disk(f"read {SIZE}"))

    def case_what_runs_beside_a_guest_has_the_page_cache_too(self):
        def program(command):
            said = self.host.run(f"""
echo $$ >{self.group}/cgroup.procs
begun=$(date +%s%N)
{command} 2>&1 || exit
echo $((($(date +%s%N) - begun) / 1000))""")
            return int(said.split()[-1]) / 1e6

        return self.take_turns(
            lambda: program(f"dd if=/dev/zero of=/srv/beside bs=1M count={SIZE} conv=notrunc status=none"),
            lambda: program("sync /srv/beside"),
            lambda: program(f"dd if=/srv/beside of=/dev/null bs=1M count={SIZE} status=none"))
