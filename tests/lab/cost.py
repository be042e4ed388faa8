# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a running process costs: processor time, wake-ups and resident memory over some seconds."""

import os
import time


class Cost:
    """Figures over one span of time."""

    def __init__(self, seconds, ticks, cpu_seconds, wakeups, resident_mib, threads):
        self.seconds, self.ticks, self.cpu_seconds = seconds, ticks, cpu_seconds
        self.wakeups, self.resident_mib, self.threads = wakeups, resident_mib, threads

    @property
    def cpu_percent(self):
        return 100 * self.cpu_seconds / self.seconds

    @property
    def cpu_per_tick_usec(self):
        return 1e6 * self.cpu_seconds / max(self.ticks, 1)

    @property
    def wakeups_per_tick(self):
        return self.wakeups / max(self.ticks, 1)

    def text(self):
        return (f"{self.cpu_percent:.2f} % of a core, {self.cpu_per_tick_usec:.0f} µs and {self.wakeups_per_tick:.1f} "
                f"wake-ups a tick, {self.resident_mib:.1f} MiB, {self.threads} threads")


def processor_seconds(pid):
    """Processor time of all its threads, those that ended included: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def wakeups(pid):
    """How often its threads gave up the processor by themselves, which is how often they were woken."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as status:
                for line in status:
                    if line.startswith("voluntary_ctxt_switches"):
                        total += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0


def measure(pid, seconds, ticks):
    """Lets it run undisturbed for so long. ticks() tells how many ticks it has completed."""
    first_ticks = ticks()
    # What asking for the ticks cost shall not be counted.
    time.sleep(0.2)
    start, cpu, woken = time.monotonic(), processor_seconds(pid), wakeups(pid)
    time.sleep(seconds)
    span = time.monotonic() - start
    cpu, woken = processor_seconds(pid) - cpu, wakeups(pid) - woken
    time.sleep(0.2)
    done = (ticks() - first_ticks) * span / (span + 0.4)
    return Cost(span, done, cpu, woken, resident_mib(pid), len(os.listdir(f"/proc/{pid}/task")))
