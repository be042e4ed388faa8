# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The cases of tests/host with guests that restart, and all scenes in the order in which they run.
"""

import re
import time

from cache_cases import Cache
from host import MIB, mib, wait_until
from machine import HostError, StoppedError
from need_cases import Sooner
from package_cases import Package, WithGuest
from scene import ERROR, Scene, check

# Message ids of include/names.h.
RESTARTED = "d3dd70409dfb4649b425ec47adbc1815 4784354b137e4568ad20be97a20749b9"  # by a reset, by a start
STARTED = "8fb2d9420e63457c9b3e3b17545bd328"
ENDED = "46c44611aefb4616b84408851b99bff7"
HARDER = "ae9adc87e9904609b75f9c5d5ee5d9a9"
HARDEST = "9459ff2afe02483eb2d5bcf37157885e"
OVERDUE = "1f9d9fe5a0534045b633cb4d42976980"
REFUSED = "2f16c12ba25c48c49c2b64141afabd53"

STARTUP, MINIMUM, BUDGET = 512, 300, 1400
# A sixteenth of what a guest has is left where it is.
SMALL = 24
ROOMY = 4 * STARTUP + 100  # a budget in which all four fit
# What a guest writes to in a restart before its balloon driver is there: more than it physically gets.
TOUCH = 460
# Of the paging file of a guest that does not come back, in seconds.
DEADLINE = 180


class Four(Scene):
    """Four guests of 512 MiB startup, squeezed to 300 MiB each because the budget is 1,400 MiB."""

    BEGINS = "four"
    # As it was before the cases: memory.swap.max of guests and of everything else.
    swap_limits, other_limits = {}, {}

    def __init__(self, machine):
        super().__init__(machine)
        self.guests = [self.host.add(f"g{number}", STARTUP, MINIMUM) for number in (1, 2, 3, 4)]
        self.mark = None

    @classmethod
    def prepare(cls, machine):
        """From the host that has just booted to where these cases begin."""
        scene = cls(machine)
        scene.host.install()
        scene.host.run("dm-ctl check --install-hook; systemctl reload libvirtd")
        scene.set_budget(ROOMY)
        for guest in scene.guests:
            guest.define()
        scene.host.start(*scene.guests)
        for guest in scene.guests:
            guest.wait_ready()
        scene.host.wait_active(*scene.guests)
        scene.set_budget(BUDGET)
        scene.wait_squeezed()
        Four.swap_limits = {name: files["memory.swap.max"] for name, files in scene.host.limits().items()}
        Four.other_limits = scene.host.other_swap_limits()

    # ---- what all cases with these guests do ----

    def set_budget(self, mib_size, **paging):
        groups = {"Host": {"Budget": f"{mib_size}MiB"}}
        if paging:
            groups["SmartPaging"] = paging
        self.host.configure(**groups)

    def wait_squeezed(self, seconds=450):
        """
        Waits until all guests are back at their minimum, but for differences too small to move a balloon for. What nobody lacks is
        left where it is for five minutes.
        """
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
                   lambda: all(any(guest.uuid in path for path in self.host.swaps()) for guest in guests), 1)

    def wait_gone(self, seconds=300):
        """Waits until no paging file is on or left in a folder."""
        wait_until("all paging files are gone", seconds,
                   lambda: not self.host.swaps() and not self.host.paging_files(), 2)

    def check_clean(self, *expected):
        """What must hold at the end of each case; expected are ids of messages at error or above that had to come."""
        check(not self.host.swaps(), f"/proc/swaps still has {self.host.swaps()}")
        check(not self.host.paging_files(), f"there still is {self.host.paging_files()}")
        problems = []

        def limits_are_back():
            del problems[:]
            limits = self.host.limits()
            for name, before in Four.swap_limits.items():
                if name in limits and limits[name]["memory.swap.max"] != before:
                    problems.append(f"{name}: memory.swap.max was {before} and is {limits[name]['memory.swap.max']}")
            for name, files in limits.items():
                high = files["memory.high"]
                if high != "max" and int(high) < int(files["memory.current"]) - 8 * MIB:
                    problems.append(f"{name}: memory.high is {high} and memory.current {files['memory.current']}")
            others = self.host.other_swap_limits()
            problems.extend(f"{group}: memory.swap.max was {before} and is {others[group]}"
                            for group, before in Four.other_limits.items() if others.get(group, before) != before)
            return not problems

        try:
            wait_until("all limits are as they were", 30, limits_are_back, 2)
        except StoppedError:
            raise
        except HostError as error:
            raise AssertionError("; ".join(problems)) from error
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

    # ---- the cases ----

    def case_cold_start_gets_no_paging(self):
        self.begin()
        fifth = self.host.add("fifth", STARTUP, MINIMUM)
        fifth.define()
        number = self.machine.begin("time -p virsh -q start fifth")
        status, output = self.machine.end(number, 120)
        check(status != 0, "it was started")
        said = next((line for line in output.splitlines() if "MiB" in line), output)
        check("needs" in said and "free" in said, f"virsh said: {output}")
        check(not self.host.swaps() and not self.host.paging_files(), "there is a paging file")
        check(fifth.name not in self.host.limits(), "it runs")
        self.check_clean()
        return said.strip()

    def case_reboot_that_needs_none(self):
        self.begin()
        guest = self.guests[0]
        guest.next_boots(touch=TOUCH)
        self.set_budget(ROOMY)
        self.host.reset(guest)
        took = guest.wait_ready()
        self.host.wait_active(guest)
        check(not self.host.records(self.mark, STARTED), "a paging file was made")
        check(not self.host.records(self.mark, REFUSED), "a paging file was asked for")
        self.set_budget(BUDGET)
        self.wait_squeezed()
        self.check_clean()
        self.note_table("reboot that needs none", [guest], {guest.name: took})
        return f"booted in {took:.0f} s"

    def case_four_restart_together(self):
        self.begin()
        for guest in self.guests:
            guest.next_boots(touch=TOUCH)
        self.host.reset(*self.guests)
        boots = {guest.name: guest.wait_ready() for guest in self.guests}
        self.wait_gone()
        self.wait_squeezed()
        self.check_clean()
        files = self.note_table("four restart together", self.guests, boots)
        check(files >= 2, f"only {files} of them had a paging file")
        return f"all up after {max(boots.values()):.0f} s, {files} paging files"


class Killed(Four):
    """Two files at once, and dynmemd is killed while they are on."""

    def case_two_files_and_a_killed_daemon(self):
        self.begin()
        two = self.guests[:2]
        for guest in two:
            guest.next_boots(touch=TOUCH)
        self.host.reset(*two)
        self.wait_file(*two)
        shown = {guest["name"] for guest in self.host.ctl("paging")["guests"]}
        check(shown == {guest.name for guest in two}, f"dm-ctl paging shows {shown}")
        self.host.run("systemctl kill -s KILL dynmemd")
        wait_until("dynmemd is back", 60, lambda: self.host.run("systemctl is-active dynmemd", check=False).strip() ==
                   "active")
        boots = {guest.name: guest.wait_ready() for guest in two}
        self.wait_gone()
        self.wait_squeezed()
        self.check_clean()
        self.note_table("two files, daemon killed", two, boots)
        return f"up after {max(boots.values()):.0f} s"


class Missing(Four):
    """A guest that does not come back within its deadline."""

    def case_guest_that_never_comes_back(self):
        self.begin()
        guest = self.guests[0]
        # long enough for it to use its file, which else is simply switched off, and too little for it to do without
        self.set_budget(4 * MINIMUM + 100, DeadlineSec=f"{DEADLINE}s")
        guest.next_boots(touch=TOUCH, driver=False)
        self.host.reset(guest)
        self.wait_file(guest)
        wait_until("it is told that the file is overdue", DEADLINE + 60,
                   lambda: self.host.records(self.mark, OVERDUE, guest), 3)
        told = [bool(self.host.records(self.mark, message, guest)) for message in (HARDER, HARDEST)]
        check(told == [True, True], f"harder and hardest were told: {told}")
        check(self.host.run("virsh domstate g1").strip() == "running", "it was killed")
        guest.next_boots(touch=0)
        self.host.reset(guest)
        took = guest.wait_ready()
        self.set_budget(BUDGET)
        self.wait_gone()
        self.wait_squeezed()
        self.check_clean(OVERDUE)
        self.note_table("never comes back, is reset", [guest], {guest.name: took})
        return f"overdue was told, then it was reset and came back in {took:.0f} s"


class Places(Four):
    """Folders that can hold no paging file."""

    def case_tmpfs_and_symlink_are_refused(self):
        self.begin()
        two = self.guests[:2]
        self.host.run("mkdir -p /run/paging /srv/elsewhere && ln -sfn /srv/elsewhere /srv/linked && "
                      "echo precious >/srv/precious && "
                      f"ln -s /srv/precious /srv/elsewhere/{self.guests[1].uuid}.dynmem-paging")
        for guest, place in zip(two, ("/run/paging", "/srv/linked")):
            self.host.run(f"virsh -q metadata {guest.name} --uri urn:dynmem:domain:1 --key dynmem --live --set "
                          f"\"<memory minimum='{MINIMUM}MiB' startup='{STARTUP}MiB' buffer='0' "
                          f"paging-directory='{place}'/>\"")
            guest.next_boots(touch=200)
        time.sleep(2)
        self.host.reset(*two)
        wait_until("both refusals are told", 120,
                   lambda: all(self.host.records(self.mark, REFUSED, guest) for guest in two), 3)
        reasons = [self.host.records(self.mark, REFUSED, guest)[0]["DYNMEM_REASON"] for guest in two]
        check("tmpfs" in reasons[0], f"the reason is: {reasons[0]}")
        check("link" in reasons[1], f"the reason is: {reasons[1]}")
        check(not self.host.swaps(), "there is a paging file")
        boots = {guest.name: guest.wait_ready() for guest in two}
        check(self.host.run("cat /srv/precious").strip() == "precious", "a file of others was written to")
        self.host.run("rm -r /srv/elsewhere /srv/linked /srv/precious")
        self.wait_squeezed()
        self.check_clean()
        self.note_table("no place for a file", two, boots)
        return "; ".join(reasons)


class HostReboot(Four):
    """The host goes down while a paging file is on, and comes back with guests that start by themselves."""

    def case_host_goes_down_and_comes_back(self):
        guest = self.guests[0]
        mark = self.mark = self.host.journal_mark()
        guest.next_boots(touch=TOUCH, driver=False)
        self.host.reset(guest)
        self.wait_file(guest)
        self.host.run("\n".join(f"virsh -q autostart {guest.name}" for guest in self.guests) + "\nsync")
        boot_id = self.host.run("cat /proc/sys/kernel/random/boot_id").strip()
        began = time.monotonic()
        self.machine.begin("systemctl reboot")
        # The agent is stopped late and started early.
        wait_until("the host is back", 300, lambda: self.boot_id() not in (None, boot_id), 1)
        down = float(self.host.run("cut -d' ' -f1 /proc/uptime"))
        down = time.monotonic() - began - down
        for guest in self.guests:
            guest.began = began
        boots = {guest.name: guest.wait_ready() - down for guest in self.guests}
        self.wait_gone()
        self.wait_squeezed()
        check(self.host.run("systemctl is-active dynmemd", check=False).strip() == "active", "dynmemd does not run")
        refused = re.search("[Rr]efused", self.host.run("journalctl -b -o cat --no-pager -u libvirtd"))
        check(not refused, "a start was refused")
        self.mark = mark
        self.check_clean()
        self.mark = self.host.boot_mark()
        files = self.note_table("host reboot, autostart", self.guests, boots)
        check(down < 90, f"the host took {down:.0f} s to go down")
        return f"down in {down:.0f} s with a file on; all guests were up after {max(boots.values()):.0f} s; {files} files"

    def boot_id(self):
        try:
            self.machine.sync(5)
            return self.host.run("cat /proc/sys/kernel/random/boot_id", 10).strip()
        except StoppedError:
            raise
        except HostError:
            return None


SCENES = (Package, Sooner, Cache, Four, Killed, Missing, Places, HostReboot)
# How to come to each of them from the one of a host that has just booted.
SNAPSHOTS = {"booted": None, "web": WithGuest.prepare, "four": Four.prepare}


def table_text():
    """The figures of all restarts, as text."""
    head = ("case", "guest", "shortfall", "file", "peak", "gone after", "boot")
    lines = [head]
    for case, guest, shortfall, size, peak, gone, boot in Scene.table:
        lines.append((case, guest, f"{shortfall} MiB" if shortfall != "none" else "none", f"{size} MiB" if size != "" else "-",
                      f"{peak} MiB" if peak != "" else "-", f"{gone:.0f} s" if gone != "" else "-",
                      f"{boot:.0f} s" if boot is not None else "-"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
