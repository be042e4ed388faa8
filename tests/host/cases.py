# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The cases of tests/host with guests that restart, and all scenes in the order in which they run.
"""

import re
import time

from cache_cases import Cache
from file_cases import Disk, Files, Killers
from four import BUDGET, MINIMUM, OVER_BUDGET, REFUSED, ROOMY, SMALL, STARTED, STARTUP, TOUCH, Four
from host import MIB, wait_until
from machine import HostError, StoppedError
from need_cases import Sooner
from package_cases import Package, WithGuest
from scene import Scene, check

# Message ids of include/names.h.
HARDER = "ae9adc87e9904609b75f9c5d5ee5d9a9"
HARDEST = "9459ff2afe02483eb2d5bcf37157885e"
OVERDUE = "1f9d9fe5a0534045b633cb4d42976980"
# Of the paging file of a guest that does not come back, in seconds.
DEADLINE = 240


class Restarts(Four):
    """Guests that restart, in the order of what a host's administrator would miss most."""

    def case_four_restart_together(self):
        self.begin()
        for guest in self.guests:
            guest.next_boots(touch=TOUCH)
        self.host.reset(*self.guests)
        boots = {guest.name: guest.wait_ready() for guest in self.guests}
        self.wait_gone()
        self.check_clean()
        files = self.note_table("four restart together", self.guests, boots)
        check(files >= 2, f"only {files} of them had a paging file")
        return f"all up after {max(boots.values()):.0f} s, {files} paging files"

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
        up = {guest.name: bool(self.machine.console(guest.name, "^ready", guest.began)) for guest in two}
        check(all(up[guest.name] or self.has_file(guest) for guest in two), f"a file went with the daemon: {up}, {self.host.swaps()}")
        boots = {guest.name: guest.wait_ready() for guest in two}
        self.wait_gone()
        self.check_clean()
        self.note_table("two files, daemon killed", two, boots)
        return f"up after {max(boots.values()):.0f} s"

    def case_host_goes_down_and_comes_back(self):
        guest = self.guests[0]
        mark = self.host.journal_mark()
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
        check(self.host.run("systemctl is-active dynmemd", check=False).strip() == "active", "dynmemd does not run")
        refused = re.search("[Rr]efused", self.host.run("journalctl -b -o cat --no-pager -u libvirtd"))
        check(not refused, "a start was refused")
        self.mark = mark
        self.check_clean()
        self.mark = self.host.boot_mark()
        over = self.host.records(self.mark, OVER_BUDGET)
        check(not over, f"more was booked than there is: {[record['MESSAGE'] for record in over]}")
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

    def case_guest_that_never_comes_back(self):
        self.begin()
        guest = self.guests[0]
        # long enough for it to use its file, which else is simply switched off
        self.set_budget(4 * MINIMUM + SMALL, DeadlineSec=f"{DEADLINE}s")
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
        self.check_clean(OVERDUE)
        self.note_table("never comes back, is reset", [guest], {guest.name: took})
        return f"overdue was told, then it was reset and came back in {took:.0f} s"

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

    def case_slice_that_is_full_lets_nobody_start(self):
        self.begin()
        self.set_budget(ROOMY)
        fifth = self.host.add("fifth", STARTUP, MINIMUM)
        fifth.define()
        held = int(self.host.run("cat /sys/fs/cgroup/machine.slice/memory.current")) // MIB
        self.host.run(f"systemctl set-property --runtime machine.slice MemoryMax={held + STARTUP // 2}M")
        try:
            wait_until("the slice is the budget", 60, lambda: self.host.ctl("host")["budgetLimit"] == "group", 1)
            status, output = self.machine.end(self.machine.begin("virsh -q start fifth"), 120)
            check(status != 0, "it was started")
            check("memory.max" in output, f"virsh said: {output}")
            check(fifth.name not in self.host.limits(), "it runs")
        finally:
            self.host.run("systemctl set-property --runtime machine.slice MemoryMax=infinity")
        wait_until("the slice is no budget any more", 60, lambda: self.host.ctl("host")["budgetLimit"] != "group", 1)
        self.host.start(fifth)
        self.check_clean()
        return next((line for line in output.splitlines() if "memory.max" in line), output).strip()

    def case_partition_that_is_full_lets_nobody_start(self):
        self.begin()
        self.set_budget(ROOMY)
        sixth = self.host.add("sixth", STARTUP, MINIMUM)
        sixth.partition = "/machine/a-few"
        sixth.define()
        # nobody has ever run in it
        self.host.run(r"systemctl start 'machine-a\x2dfew.slice' && "
                      rf"systemctl set-property --runtime 'machine-a\x2dfew.slice' MemoryMax={STARTUP // 2}M")
        time.sleep(2)
        status, output = self.machine.end(self.machine.begin("virsh -q start sixth"), 120)
        check(status != 0, "it was started")
        check("memory.max" in output, f"virsh said: {output}")
        check(sixth.name not in self.host.limits(), "it runs")
        self.host.run(rf"systemctl set-property --runtime 'machine-a\x2dfew.slice' MemoryMax={STARTUP * 3}M")
        time.sleep(2)
        self.host.start(sixth)
        self.host.run(r"ls -d '/sys/fs/cgroup/machine.slice/machine-a\x2dfew.slice/'*sixth.scope")
        self.check_clean()
        return next((line for line in output.splitlines() if "memory.max" in line), output).strip()

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
        self.check_clean()
        self.note_table("reboot that needs none", [guest], {guest.name: took})
        return f"booted in {took:.0f} s"

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
        self.check_clean()
        self.note_table("no place for a file", two, boots)
        return "; ".join(reasons)


SCENES = (Restarts, Cache, Package, Sooner, Killers, Files, Disk)
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
