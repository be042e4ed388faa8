# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Need that can't wait for a guest's next report.
"""

from host import MIB, wait_until
from package_cases import ROOMY, WithGuest
from scene import check


class Sooner(WithGuest):
    """A squeezed guest that reports once a minute."""

    INTERVAL = 60
    # What it holds before: so much that of what it takes then a few MiB are need.
    BEFORE = 200
    LOAD = 360

    def case_need_is_met_before_the_next_report(self):
        self.installed()
        size = self.squeeze()["size"]
        self.hold(self.BEFORE)
        # what it needs beyond what it has it can't show; of its buffer it misses something before
        self.host.run("dm-ctl set web buffer=20")
        self.host.configure(Host={"Budget": f"{ROOMY}MiB"}, Policy={"Interval": f"{self.INTERVAL}s"})
        wait_until("the statistics period is set", 60, lambda: self.guest()["period"] == str(self.INTERVAL), 1)
        # it has reported each second so far, so that the next one is far
        reported = self.last_report()
        self.machine.say(self.web.name, f"load {self.LOAD}")
        self.host.wait_listed(self.web, "is given more", 3 * self.INTERVAL,
                              lambda seen: seen["target"] > (size + 20) * MIB, 0.3)
        # on the host's own clock, which is as slow as the guest
        took = self.last_report() - reported
        check(0 < took < self.INTERVAL - 2, f"it was given more by a report {took} s after the one before")
        return f"given more by a report after {took} s, reporting every {self.INTERVAL} s"

    def last_report(self):
        """When the guest has reported last, as libvirt has it, in seconds. What it reports may be the same for minutes."""
        return int(self.host.run(f"virsh dommemstat {self.web.name} | sed -n 's/^last_update //p'"))
