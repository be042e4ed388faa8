# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Need that can't wait for a guest's next report.
"""

import time

from host import MIB, wait_until
from package_cases import ROOMY, WithGuest
from scene import check


class Sooner(WithGuest):
    """A squeezed guest that reports once a minute."""

    INTERVAL = 60
    # A guest that is emulated in an emulated host takes its time to write to so much; after this it may be its next report.
    SOON = 50
    LOAD = 360

    def case_need_is_met_before_the_next_report(self):
        self.installed()
        size = self.squeeze()["size"]
        # what it needs beyond what it has it can't show; of its buffer it misses something before
        self.host.run("dm-ctl set web buffer=20")
        self.host.configure(Host={"Budget": f"{ROOMY}MiB"}, Policy={"Interval": f"{self.INTERVAL}s"})
        wait_until("the statistics period is set", 60, lambda: self.guest()["period"] == str(self.INTERVAL), 1)
        # just after a report, so that the next one is far
        reported = self.last_report()
        wait_until(f"{self.web.name} reports", 3 * self.INTERVAL, lambda: self.last_report() != reported)
        began = time.monotonic()
        self.machine.say(self.web.name, f"load {self.LOAD}")
        self.host.wait_listed(self.web, "is given more", 3 * self.INTERVAL,
                              lambda seen: seen["target"] > (size + 20) * MIB, 0.3)
        took = time.monotonic() - began
        check(took < self.SOON, f"it was given more after {took:.1f} s, and reports every {self.INTERVAL} s")
        return f"given more after {took:.1f} s, reporting every {self.INTERVAL} s"

    def last_report(self):
        """When the guest has reported last, as libvirt has it. What it reports may be the same for minutes."""
        return self.host.run(f"virsh dommemstat {self.web.name} | sed -n 's/^last_update //p'").strip()
