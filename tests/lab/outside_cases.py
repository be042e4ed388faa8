# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The lab's cases of memory that is moved by others than dynmem: balloons, limits, settings, and what is plugged in.
"""

import os
import re
import subprocess
import time

from cases import check, mib
from host import DIMM, LIBVIRTD_CALLS, MIB, VIRTIO_MEM, virsh, wait_until
from ledger import NEED_SLACK_MIB, OVERHEAD_SLACK_MIB, LedgerScene


def metadata(*arguments):
    virsh("metadata", "mail", "--uri", "urn:dynmem:domain:1", "--key", "dynmem", "--live", *arguments)


class Outside(LedgerScene):
    """Balloons that are moved by somebody else or by the guest itself, and guests that are limited or taken away."""

    CONFIG = "[Host]\n"
    BUDGET = 760

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.log_calls = True

    def set_up(self):
        define = self.host.define
        self.web = define("web", 512, 200, minimum="128MiB", priority=50)
        self.mail = define("mail", 512, 200, minimum="128MiB", priority=50)
        self.host.start_guests(self.web, self.mail)
        self.daemon.start()
        self.wait_active(self.web, self.mail)
        self.look()

    def set_from_outside(self, guest, size):
        """virsh setmem. Waits until dynmemd has told the guest something again. Returns the seconds until then."""
        offset = os.path.getsize(LIBVIRTD_CALLS)
        virsh("setmem", guest.name, f"{size}MiB", "--live")
        begun = time.monotonic()

        # The first one is virsh's own.
        wait_until(f"{guest.name} is told again what it shall have", 30, lambda: len(self.told(guest, offset)) > 1)
        return time.monotonic() - begun

    def states(self, guest, moment):
        return {seen["state"] for seen in self.truth.seen(guest, moment)}

    def case_balloon_enlarged_from_outside_is_told_again(self):
        self.mail.load(20)
        need = self.need(self.web, 400)
        was = self.mail.actual()
        moment = time.monotonic()
        took = self.set_from_outside(self.mail, 400)
        # The other one's move is seen a report later at the latest; a tick is one second.
        check(took < 5, f"it was told again after {took:.1f} s")
        wait_until("mail is back where it was", 20, lambda: self.mail.actual() <= was + 16)
        check("stuck" not in self.states(self.mail, moment), "it was called stuck")
        time.sleep(5)
        return f"told again after {took:.1f} s; {self.check_kept(self.web, need, moment)}"

    def case_balloon_squeezed_from_outside_is_told_again(self):
        self.mail.load(20)
        need = self.need(self.web, 400)
        mail = self.mail.actual()
        moment = time.monotonic()
        took = self.set_from_outside(self.web, 300)
        check(took < 5, f"it was told again after {took:.1f} s")
        wait_until("web has what it needs", 20, lambda: self.web.actual() >= need - NEED_SLACK_MIB)
        check("stuck" not in self.states(self.web, moment), "it was called stuck")
        lowest = self.truth.lowest_actual(self.mail, moment)
        check(lowest >= 127, f"mail had {mail:.0f} MiB and was taken down to {lowest:.0f}")
        return f"told again after {took:.1f} s"

    def case_period_set_from_outside_is_put_right_and_told_once(self):
        virsh("dommemstat", "web", "--period", "5", "--live")
        begun = time.monotonic()
        # Three reports that come five seconds apart; a guest that is slow makes it one or two more.
        wait_until("web reports every second again", 40, lambda: "<stats period='1'/>" in virsh("dumpxml", "web"))
        took = time.monotonic() - begun
        check(took > 10, f"it was put right after {took:.1f} s, before its reports could show it")
        time.sleep(5)
        told = self.daemon.log().count("Guest web is told again to report every 1 s")
        check(told == 1, f"it was told {told} times")
        return f"put right after {took:.1f} s"

    def case_guest_without_its_balloon_driver_is_booked_at_what_it_has(self):
        """It gives itself all back. Nothing holds it here, so there must be room for it."""
        self.set_budget(1060)
        try:
            self.mail.load(20)
            need = self.need(self.web, 400)
            moment = time.monotonic()
            self.mail.say("driver off")
            wait_until("libvirt has heard of it", 10, lambda: self.mail.actual() >= 511)
            # libvirt learns of it at most a second later, dynmemd by its next report.
            time.sleep(3)
            since = time.monotonic()
            self.mail.load(350)
            self.mail.wait_held(350)
            time.sleep(10)
            self.check_booked(self.mail, since, 512, 512)
            kept = self.check_kept(self.web, need, moment)
        finally:
            # Its driver would be tried again in a minute only.
            self.off(self.mail)
            self.host.start_guests(self.mail)
            self.wait_active(self.mail)
            self.set_budget(self.BUDGET)
        return kept

    def case_hard_limit_set_while_it_runs_bounds_its_target(self):
        """memory.max counts QEMU's own memory too."""
        # What web has and does not want is left to it, and a limit below what its QEMU holds is refused, unless mail wants it.
        self.web.load(20)
        self.mail.load(400)
        self.wait_seen(self.web, "has given what mail needs", 60, lambda it: it["assigned"] < 350 * MIB)
        self.mail.load(20)
        self.wait_steady(90)
        pid = self.web.pid()
        own = self.web.resident() - self.web.touched()
        virsh("memtune", "web", "--hard-limit", "530MiB", "--live")
        try:
            time.sleep(3)
            moment = time.monotonic()
            # With this it needs more than the limit leaves it.
            self.web.load(440)
            deadline = time.monotonic() + 45
            while time.monotonic() < deadline and os.path.exists(f"/proc/{pid}"):
                time.sleep(0.5)
            check(os.path.exists(f"/proc/{pid}"), "the kernel has killed its QEMU at its hard limit")
            highest = max(seen["target"] / MIB for seen in self.truth.seen(self.web, moment))
            check(highest <= 530 - own + OVERHEAD_SLACK_MIB,
                  f"its QEMU has {own:.0f} MiB of its own, the limit is 530 MiB, and it was told {highest:.0f}")
        finally:
            if virsh("domstate", "web").strip() == "running":
                self.web.load(20)
                virsh("memtune", "web", "--hard-limit", "-1", "--live")
            else:
                self.host.start_guests(self.web)
                self.wait_active(self.web)
        return f"told at most {highest:.0f} MiB, besides the {own:.0f} MiB of its QEMU"

    def let_go(self, take):
        """Squeezes mail and takes it out of management: it shall have its startup again, and then be left alone."""
        need = self.need(self.web, 450)
        self.squeeze(self.mail, 180)
        was = self.mail.actual()
        moment = time.monotonic()
        take()
        self.set_budget(1060)  # now there is room, also for all that nothing holds it from once it is let go
        wait_until("mail has its startup again", 30, lambda: self.mail.actual() >= 199)
        self.wait_seen(self.mail, "is let go", 15, lambda it: it["state"] == "static")
        kept = self.check_kept(self.web, need, moment)
        virsh("setmem", "mail", "250MiB", "--live")
        wait_until("virsh setmem works", 15, lambda: self.mail.actual() == 250)
        time.sleep(4)
        check(self.mail.actual() == 250, f"it is told {self.mail.actual():.0f} MiB although it is let go")
        return f"from {was:.0f} MiB to its startup of 200, and let go; {kept}"

    def back(self, element):
        metadata("--set", element)
        self.wait_active(self.mail)
        self.set_budget(self.BUDGET)

    def case_squeezed_guest_whose_element_is_removed_gets_its_startup_back(self):
        try:
            return self.let_go(lambda: metadata("--remove"))
        finally:
            self.back("<memory minimum='128MiB' priority='50'/>")

    def case_squeezed_guest_that_is_made_static_gets_its_startup_back(self):
        try:
            return self.let_go(lambda: metadata("--set", "<memory minimum='128MiB' priority='50' mode='static'/>"))
        finally:
            self.back("<memory minimum='128MiB' priority='50'/>")

    @staticmethod
    def elements():
        """mail's element in what it runs with and in its definition."""
        return [re.findall(r"<dynmem:memory[^>]*>", virsh("dumpxml", "mail", *which)) for which in ((), ("--inactive",))]

    def check_refused(self, said, *words):
        """dm-ctl set is refused for this reason, and mail is as it was."""
        before, shown = self.elements(), self.seen(self.mail)
        done = subprocess.run([f"{self.host.build}/src/ctl/dm-ctl", "set", "mail", *words], capture_output=True, text=True)
        check(done.returncode == 1 and said in done.stderr, f"{done.returncode}: {done.stderr}")
        check(self.elements() == before, f"it was {before} and is {self.elements()}")
        for key in ("minimum", "priority"):
            check(self.seen(self.mail)[key] == shown[key], f"{key} is another")

    def case_settings_are_set_in_both_definitions_or_in_none(self):
        before = self.elements()
        begun = time.monotonic()
        change = self.daemon.ctl("set", "mail", "minimum=160MiB", "priority=60")
        took = time.monotonic() - begun
        seen = self.seen(self.mail)
        check(change["done"] and change["persistent"], f"it was told {change}")
        check((seen["minimum"], seen["priority"]) == (160 * MIB, 60), "the answer came before it was in force")
        live, following = self.elements()
        check(live == following and 'minimum="160MiB"' in live[0] and 'priority="60"' in live[0], f"{live}, {following}")
        self.check_refused("above startup", "minimum=400MiB", "priority=1")
        # libvirt changes what the guest runs with, and then finds no place for the file of its definition
        os.rename("/etc/libvirt/qemu", "/etc/libvirt/qemu.away")
        with open("/etc/libvirt/qemu", "w", encoding="utf-8"):
            pass
        try:
            self.check_refused("nothing was changed", "priority=99")
        finally:
            os.unlink("/etc/libvirt/qemu")
            os.rename("/etc/libvirt/qemu.away", "/etc/libvirt/qemu")
        self.daemon.ctl("set", "mail", "minimum=128MiB", "priority=50")
        check(self.elements() == before, f"it was {before} and is {self.elements()}")
        return f"in force after {took:.1f} s"

    def case_booked_is_never_below_what_guests_touch_by_themselves(self):
        return self.check_truth()


class Plugged(LedgerScene):
    """Memory that is plugged into guests that run."""

    CONFIG = "[Host]\n"
    BUDGET = 900

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.log_calls = True

    def set_up(self):
        define = self.host.define
        self.dimm = define("dimm", 512, 200, minimum="128MiB", priority=10, plugs=512)
        self.other = define("other", 700, 200, minimum="128MiB", priority=80)
        self.device = define("device", 200, 150, minimum="128MiB", priority=10, plugs=512,
                             cmdline="memhp_default_state=online_movable", device_mib=256,
                             devices=VIRTIO_MEM.format(size=256, requested=0))
        self.host.start_guests(self.dimm, self.other)
        self.daemon.start()
        self.wait_active(self.dimm, self.other)
        self.look()

    def recover(self):
        super().recover()
        for guest in (self.dimm, self.other):
            if virsh("domstate", guest.name).strip() != "running":
                self.host.start_guests(guest)
        self.wait_active(self.dimm, self.other)

    def plug(self):
        with open("/run/lab/dimm.device.xml", "w", encoding="utf-8") as file:
            file.write(DIMM.format(size=256))
        virsh("attach-device", "dimm", "/run/lab/dimm.device.xml", "--live")

    def case_dimm_that_the_guest_does_not_see_is_not_taken_from_it(self):
        self.set_budget(644)
        need = self.need(self.other, 280)
        self.squeeze(self.dimm, 180)
        was = self.dimm.actual()
        offset, moment = os.path.getsize(LIBVIRTD_CALLS), time.monotonic()
        self.plug()
        # Nothing is left for it, and it may be used at any moment: the host is short of memory. A guest that is told to
        # give it dies within seconds.
        time.sleep(15)
        told = self.told(self.dimm, offset)
        check("restarting" not in {seen["state"] for seen in self.truth.seen(self.dimm, moment)},
              f"it was told {told} MiB, ran out of memory and was reset")
        self.dimm.load(30)
        self.dimm.wait_held(30)
        memory = self.dimm.say("memory")
        check("offline=2" in memory, f"the guest has brought it online: {memory}")
        # The 256 MiB come on top of the least that it may have of what it sees.
        check(all(size >= 128 + 256 - 1 for size in told),
              f"of {was:.0f} MiB that it sees it shall give what it does not see: told {told}")
        lowest = min(sample.actual["dimm"] for sample in self.truth.since(moment + 3))
        check(lowest >= 128 + 256 - 1, f"QEMU left it {lowest:.0f} MiB, 256 of which it does not see")
        self.dimm.load(20)
        self.set_budget(self.BUDGET)  # room for both
        wait_until("other has what it needs", 30, lambda: self.other.actual() >= need - NEED_SLACK_MIB)
        return f"told {', '.join(f'{size:.0f}' for size in told) or 'nothing'}"

    def case_dimm_unplugged_again_is_booked_no_more(self):
        if "model='dimm'" not in virsh("dumpxml", "dimm"):
            self.plug()
        need = self.need(self.other, 280)
        moment = time.monotonic()
        virsh("detach-device", "dimm", "/run/lab/dimm.device.xml", "--live")
        wait_until("it is unplugged", 20, lambda: "model='dimm'" not in virsh("dumpxml", "dimm"))
        begun = time.monotonic()
        # It needs much less, and the other one wants more.
        self.wait_seen(self.dimm, "is booked without it", 20, lambda it: it["committed"] <= 256 * MIB)
        took = time.monotonic() - begun
        self.wait_seen(self.dimm, "has its own maximum", 10, lambda it: it["maximum"] == 512 * MIB)
        self.dimm.load(60)
        self.dimm.wait_held(60)
        self.dimm.load(20)
        return f"after {took:.1f} s; {self.check_kept(self.other, need, moment)}"

    def case_dimm_that_is_online_is_shared_like_all_memory(self):
        self.plug()
        try:
            def is_online():
                self.dimm.say("memory online")
                return "offline=0" in self.dimm.say("memory")

            # its kernel needs some memory for that, which it may have to find first
            wait_until("the dimm is online", 30, is_online, 1)
            moment = time.monotonic()
            self.dimm.load(20)
            # What this one wants leaves the one with the dimm less than 300 MiB, of 512 and the 256 of the dimm.
            self.other.load(400)
            self.other.wait_held(400, 90)
            seen = self.wait_seen(self.dimm, "gives what it does not need", 60,
                                  lambda it: it["assigned"] < 330 * MIB and it)
            check("stuck" not in {seen["state"] for seen in self.truth.seen(self.dimm, moment)}, "it was called stuck")
            lowest = self.truth.lowest_actual(self.dimm, moment)
            check(lowest >= 127, f"it was taken down to {lowest:.0f} MiB")
            self.dimm.load(60)
            self.dimm.wait_held(60)
        finally:
            self.other.load(20)
            self.dimm.load(20)
        return f"assigned {mib(seen['assigned'])} of 768 MiB, 256 of them in the dimm"

    def case_virtio_mem_is_booked_at_what_is_plugged(self):
        self.set_budget(1500)
        self.other.load(20)
        self.host.start_guests(self.device)
        self.wait_active(self.device)
        # Its settling ends at its startup.
        self.wait_seen(self.device, "is booked without the device, of which nothing is plugged", 20,
                       lambda it: it["committed"] <= 200 * MIB)
        took = []
        for size in (128, 256, 64, 0):
            virsh("update-memory-device", "device", "--requested-size", f"{size}MiB", "--live")
            begun = time.monotonic()
            self.wait_seen(self.device, f"is booked with {size} MiB in the device", 10,
                           lambda it, size=size: 128 + size <= it["committed"] / MIB <= 200 + size)
            took.append(time.monotonic() - begun)
            wait_until("the guest has followed", 20, lambda size=size: f"<current unit='KiB'>{size * 1024}<"
                       in virsh("dumpxml", "device"))
        self.device.load(20)
        self.device.wait_held(20)
        virsh("destroy", "device")
        return "booked after " + ", ".join(f"{seconds:.1f}" for seconds in took) + " s"

    def case_booked_is_never_below_what_guests_touch_of_plugged_memory(self):
        return self.check_truth()


SCENES = (Outside, Plugged)
