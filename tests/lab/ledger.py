# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What the scenes of the ledger have in common. All the time what their QEMUs have really touched is compared with what is
booked for them (truth.py), and what guests need is taken from their own count.

This machine's guests may have no limit (memory.high): where nothing else holds a guest it must be booked at all that it
may touch. What a limit holds is a case of tests/host.
"""

import re
import signal
import time

from cases import Lie, Scene, check, mib
from host import LIBVIRTD_CALLS, MIB, LabError, virsh, wait_until
from truth import Truth

# What a guest needs by its own count moves by so much while its programs do the same.
NEED_SLACK_MIB = 8
# What QEMU needs besides the guest's memory is estimated, and then learnt, not known to the MiB.
OVERHEAD_SLACK_MIB = 64


class LedgerScene(Scene):
    """Base of these scenes."""

    BUDGET = 0

    def __init__(self, images, build):
        super().__init__(images, build)
        self.truth = None
        self.set_budget(self.BUDGET)

    def look(self):
        self.truth = Truth(self.host, self.daemon)
        self.truth.start()

    def check_truth(self):
        self.truth.stop()
        check(self.truth.checked >= 10, f"only {self.truth.checked} times was a guest looked at")
        if self.truth.problems:
            raise Lie(f"{len(self.truth.problems)} times of {self.truth.checked}, first: "
                      + "; ".join(self.truth.problems[:3]))
        return f"{self.truth.checked} looks at guests"

    def recover(self):
        super().recover()
        self.set_budget(self.BUDGET)

    def told(self, guest, offset):
        """What dynmemd, or somebody else, told its balloon since the log of calls was so long, in MiB."""
        with open(LIBVIRTD_CALLS, encoding="utf-8", errors="replace") as log:
            log.seek(offset)
            return [int(size) / 1024 for size in
                    re.findall(rf"virDomainSetMemory\w*:.*name={guest.name},.* memory=(\d+)", log.read())]

    def set_budget(self, budget):
        self.daemon.configure(self.CONFIG.replace("[Host]\n", f"[Host]\nBudget={budget}MiB\n"))
        if self.daemon.process:
            self.daemon.process.send_signal(signal.SIGHUP)
            wait_until("the budget is in force", 10, lambda: mib(self.daemon.ctl("host")["budget"]) == budget)

    def need(self, guest, load):
        """Lets its programs have so much, and waits until nothing moves. Returns the MiB it needs by its own count."""
        guest.load(load)
        guest.wait_held(load)
        self.wait_steady(90)
        state = dict(word.split("=") for word in guest.say("state").split())
        return guest.actual() - int(state["MemAvailable"]) / 1024

    def squeeze(self, guest, below):
        """Takes from an idle guest what it does not need: the budget becomes what leaves it no more beside the others."""
        guest.load(20)
        others = self.daemon.ctl("host")["committed"] - self.seen(guest)["committed"]
        self.set_budget(mib(others) + below - 10)
        self.wait_seen(guest, f"is squeezed below {below} MiB", 60, lambda it: it["assigned"] < below * MIB)
        self.wait_steady(60)

    def check_kept(self, guest, need, moment):
        """Since then the guest always had what it needs."""
        lowest = self.truth.lowest_actual(guest, moment)
        check(lowest >= need - NEED_SLACK_MIB, f"{guest.name} needs {need:.0f} MiB and was taken down to {lowest:.0f}")
        return f"{guest.name}, which needs {need:.0f} MiB, never had less than {lowest:.0f}"

    def check_booked(self, guest, moment, least, most, states=None):
        """Whenever dynmemd showed it since then, in one of these states, so much was booked for it."""
        booked = [(seen["committed"] / MIB, seen["state"]) for seen in self.truth.seen(guest, moment)
                  if not states or seen["state"] in states]
        check(booked, f"{guest.name} was never seen" + (f" as {' or '.join(states)}" if states else ""))
        low, high = min(booked), max(booked)
        check(low[0] >= least - 1, f"{guest.name} may hold {least:.0f} MiB and was booked at {low[0]:.0f} ({low[1]})")
        check(high[0] <= most + 1, f"{guest.name} may hold {most:.0f} MiB and was booked at {high[0]:.0f} ({high[1]})")

    def check_brought(self, truth, guest, moment, brings, states):
        """It was booked at what it brings, or at what it really took of the host. Returns that as text."""
        seen = [(sample.guests[guest.name]["committed"] / MIB, max(brings, sample.touched.get(guest.name, 0)))
                for sample in truth.since(moment) if sample.guests.get(guest.name, {"state": "off"})["state"] in states]
        check(seen, f"{guest.name} was never seen as {' or '.join(states)}")
        low = min(booked for booked, _ in seen)
        check(low >= brings - 1, f"it brings {brings:.0f} MiB and was booked at {low:.0f}")
        for booked, most in seen:
            check(booked <= most + OVERHEAD_SLACK_MIB,
                  f"it brings {brings:.0f} MiB, held no more than {most:.0f} and was booked at {booked:.0f}")
        return f"it brings {brings:.0f} MiB and was booked at {low:.0f} to {max(booked for booked, _ in seen):.0f}"

    def wrong(self, states):
        """What is not as it should be, or nothing. states: of each guest, by its name."""
        host, guests = self.daemon.ctl("host"), self.daemon.guests()
        if host["link"] != "read-write":
            return f"the link is {host['link']}"
        if host["startsWaiting"] or host["startsAdmitted"] or host["reserved"]:
            return f"{mib(host['reserved'])} MiB are booked for starts"
        if host["committed"] > host["budget"]:
            return f"{mib(host['committed'])} MiB are committed of {mib(host['budget'])}"
        for name, state in states.items():
            seen = guests.get(name, {"state": "not there"})
            if seen["state"] != state:
                return f"{name} is {seen['state']}"
            if state == "active" and (seen["status"] != "ok" or abs(seen["assigned"] - seen["target"]) > 2 * MIB):
                return f"{name} is {seen['status']}, has {mib(seen['assigned'])} and shall have {mib(seen['target'])} MiB"
            if state == "active" and "<stats period='1'/>" not in virsh("dumpxml", name):
                return f"{name} does not report every second"
        return None

    def wait_well(self, states, seconds=60):
        """Waits until nothing is wrong. Returns how long that took, as text."""
        begun, reason = time.monotonic(), []

        def is_well():
            try:
                reason[:] = [self.wrong(states)]
            except LabError as error:  # a daemon or libvirtd that is not back yet
                reason[:] = [str(error)]
            return reason[0] is None

        try:
            wait_until("all is well", seconds, is_well, 0.3)
        except LabError as error:
            raise LabError(f"{error}: {reason[0]}") from error
        return f"well after {time.monotonic() - begun:.1f} s"

    def off(self, guest):
        virsh("destroy", guest.name, check=False)
        self.wait_seen(guest, "is off", 15, lambda it: it["state"] == "off")
