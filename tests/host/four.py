# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What the cases share in which guests restart on a full host: four guests, how they come to be squeezed, and what must hold at the end.
"""

from host import MIB, mib, wait_until
from machine import HostError, StoppedError
from scene import ERROR, Scene, check

# Message ids of include/names.h.
RESTARTED = "d3dd70409dfb4649b425ec47adbc1815 4784354b137e4568ad20be97a20749b9"  # by a reset, by a start
STARTED = "8fb2d9420e63457c9b3e3b17545bd328"
ENDED = "46c44611aefb4616b84408851b99bff7"
REFUSED = "2f16c12ba25c48c49c2b64141afabd53"
OVER_BUDGET = "df760be1b2dd45a7bd23d6299888bd9c"
MINIMUMS = "fb75cb1413e34349b75130cd8c3cadf2"

STARTUP, MINIMUM, BUDGET = 512, 300, 1400
# A sixteenth of what a guest has is left where it is.
SMALL = 24
ROOMY = 4 * STARTUP + 100  # a budget in which all four fit
# What a guest writes to in a restart before its balloon driver is there: more than it physically gets.
TOUCH = 460


class Four(Scene):
    """Four guests of 512 MiB startup, squeezed to 300 MiB each on a host that has 1,400 MiB for them."""

    BEGINS = "four"
    ANEW = True
    # As it was before the cases: memory.swap.max of guests and of everything else.
    swap_limits, other_limits = {}, {}

    def __init__(self, machine):
        super().__init__(machine)
        self.guests = [self.host.add(f"g{number}", STARTUP, MINIMUM) for number in (1, 2, 3, 4)]
        self.mark = None

    @classmethod
    def prepare(cls, machine):
        """From the host that has just booted to where these cases begin. Returns the seconds of the slowest boot."""
        scene = cls(machine)
        scene.host.install()
        scene.host.run("dm-ctl check --install-hook; systemctl reload libvirtd")
        scene.set_budget(ROOMY)
        for guest in scene.guests:
            guest.define()
        scene.host.start(*scene.guests)
        boots = [guest.wait_ready() for guest in scene.guests]
        scene.host.wait_active(*scene.guests)
        # what nobody lacks is left where it is for minutes: so they are first given less
        scene.set_budget(4 * MINIMUM)
        scene.wait_squeezed()
        scene.set_budget(BUDGET)
        Four.swap_limits = {name: files["memory.swap.max"] for name, files in scene.host.limits().items()}
        Four.other_limits = scene.host.other_swap_limits()
        return max(boots)

    # ---- what happens ----

    def set_budget(self, mib_size, **paging):
        groups = {"Host": {"Budget": f"{mib_size}MiB"}}
        if paging:
            groups["SmartPaging"] = paging
        self.host.configure(**groups)

    def wait_squeezed(self, seconds=300):
        """Waits until all guests are at their minimum, but for differences too small to move a balloon for."""
        def met():
            seen = self.host.listed()
            return all(seen[guest.name]["state"] == "active" and mib(seen[guest.name]["assigned"]) <= MINIMUM + SMALL
                       for guest in self.guests)

        wait_until("all guests are active and squeezed", seconds, met, 2)

    def begin(self):
        self.mark = self.host.journal_mark()

    def wait_file(self, *guests, seconds=120):
        """Waits until each guest's paging file is on."""
        wait_until("the paging files of " + ", ".join(guest.name for guest in guests) + " are on", seconds,
                   lambda: all(self.has_file(guest) for guest in guests), 1)

    def has_file(self, guest):
        return any(guest.uuid in path for path in self.host.swaps())

    def wait_gone(self, seconds=300):
        """Waits until no paging file is on or left in a folder."""
        wait_until("all paging files are gone", seconds,
                   lambda: not self.host.swaps() and not self.host.paging_files(), 2)

    # ---- what must hold ----

    def wrong_limits(self):
        """What is not as it was before, in words."""
        limits, others = self.host.limits(), self.host.other_swap_limits()
        found = [f"{name}: memory.swap.max was {before} and is {limits[name]['memory.swap.max']}"
                 for name, before in Four.swap_limits.items()
                 if name in limits and limits[name]["memory.swap.max"] != before]
        for name, files in limits.items():
            high = files["memory.high"]
            if high != "max" and int(high) < int(files["memory.current"]) - 8 * MIB:
                found.append(f"{name}: memory.high is {high} and memory.current {files['memory.current']}")
        found.extend(f"{group}: memory.swap.max was {before} and is {others[group]}"
                     for group, before in Four.other_limits.items() if others.get(group, before) != before)
        return found

    def check_clean(self, *expected):
        """What must hold at the end of each case; expected are ids of messages at error or above that had to come."""
        check(not self.host.swaps(), f"/proc/swaps still has {self.host.swaps()}")
        check(not self.host.paging_files(), f"there still is {self.host.paging_files()}")
        try:
            wait_until("all limits are as they were", 30, lambda: not self.wrong_limits(), 2)
        except StoppedError:
            raise
        except HostError as error:
            raise AssertionError("; ".join(self.wrong_limits())) from error
        for record in self.host.records(self.mark):
            if int(record["PRIORITY"]) <= ERROR and record.get("MESSAGE_ID") not in expected:
                raise AssertionError(f"the journal has an error: {record['MESSAGE']}")

    def note_table(self, case, guests, boots):
        """Adds a line to the table for each guest. boots: seconds of its boot, by name."""
        files = 0
        for guest in guests:
            begun, ended = (self.host.records(self.mark, message, guest) for message in (STARTED, ENDED))
            restarted = self.host.records(self.mark, RESTARTED, guest)
            line = [case, guest.name, "none", "", "", "", boots.get(guest.name)]
            if begun:
                files += 1
                line[2] = mib(int(begun[0]["DYNMEM_SHORTFALL"]))  # later ones: taken over by another daemon
                line[3] = mib(int(begun[0]["DYNMEM_SIZE"]))
            if ended:
                line[4] = mib(int(ended[-1]["DYNMEM_PEAK"]))
                since = restarted[0] if restarted else begun[0]
                line[5] = (int(ended[-1]["__REALTIME_TIMESTAMP"]) - int(since["__REALTIME_TIMESTAMP"])) / 1e6
            Scene.table.append(tuple(line))
        return files
