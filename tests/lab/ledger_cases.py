# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The lab's cases of the ledger: guests that come with their memory, that come back as others, and that migrate.
"""

import os
import re
import signal
import subprocess
import time

from cases import check, indented, mib
from host import LIBVIRTD_CALLS, MIB, PATIENCE, virsh, wait_until
from ledger import NEED_SLACK_MIB, LedgerScene
from peer import Peer
from truth import SLACK_MIB, Truth


def current_memory(xml):
    """In MiB."""
    return int(re.search(r"<currentMemory unit='KiB'>(\d+)", xml).group(1)) / 1024


class Brought(LedgerScene):
    """Guests that come with their memory, that come stopped, and that come as another than was known."""

    CONFIG = "[Host]\n[Admission]\nTimeoutSec=25\n"
    BUDGET = 1200

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.has_hook = True

    def set_up(self):
        define = self.host.define
        self.other = define("other", 512, 200, minimum="128MiB", priority=50)
        self.saved = define("saved", 700, 150, minimum="128MiB", priority=50, snapshots=True)
        self.stopped = define("stopped", 512, 150, minimum="128MiB", priority=50)
        self.changed = define("changed", 200, minimum="128MiB", priority=50)
        self.host.start_guests(self.other, self.saved)
        self.daemon.start()
        self.wait_active(self.other, self.saved)
        self.look()

    def recover(self):
        super().recover()
        for guest in (self.saved, self.stopped, self.changed):
            virsh("destroy", guest.name, check=False)
            virsh("managedsave-remove", guest.name, check=False)
            self.off(guest)

    def grown(self):
        """Both need more than their startup. Returns what the other one needs."""
        if virsh("domstate", "saved").strip() != "running":
            self.host.start_guests(self.saved)
        else:
            self.saved.connect()
        self.wait_active(self.saved)
        self.saved.load(220)
        need = self.need(self.other, 280)
        self.need(self.saved, 220)
        return need

    def all_fits(self):
        host = self.daemon.ctl("host")
        return host["committed"] <= host["budget"]

    def comes_back(self, start, what, brings, need):
        """Starts the guest, which brings so much, and looks at it until its balloon is believed again."""
        self.truth.all_is_read(self.saved)
        moment = time.monotonic()
        start()
        self.saved.connect()
        # It has reported, and what it needs less than what it brings may be taken now.
        self.wait_seen(self.saved, "is active", 45, lambda it: it["state"] == "active" and it["demand"] > 0)
        check(self.saved.held() == 220, f"it did not come back as it was: its programs have {self.saved.held()} MiB")
        first = next((seen["committed"] / MIB for seen in self.truth.seen(self.saved, moment)), 0)
        check(first >= brings - 1, f"it brings {brings:.0f} MiB and was admitted with {first:.0f} {what}")
        self.check_brought(self.truth, self.saved, moment, brings, ("reserved", "starting"))
        # Until it has taken a target nobody knows of one above its size, so all that it may grow to is booked.
        wait_until("all that is booked fits", 15, self.all_fits)
        kept = self.check_kept(self.other, need, moment)
        return f"it brings {brings:.0f} MiB and was admitted with {first:.0f}; {kept}"

    def case_saved_guest_is_admitted_with_what_it_brings(self):
        need = self.grown()
        self.truth.all_is_read(self.saved)
        virsh("managedsave", "saved")
        self.wait_seen(self.saved, "is off", 15, lambda it: it["state"] == "off")
        brings = current_memory(virsh("managedsave-dumpxml", "saved"))
        check(brings > 230, f"it was saved with {brings:.0f} MiB only")

        def start():
            check(self.daemon.ctl_status("start", "saved") == 0, "dm-ctl start failed")

        return self.comes_back(start, "by dm-ctl start", brings, need)

    def case_guest_reverted_from_off_is_admitted_with_what_it_brings(self):
        need = self.grown()
        self.truth.all_is_read(self.saved)
        virsh("snapshot-create-as", "saved", "running")
        brings = current_memory(virsh("snapshot-dumpxml", "saved", "running"))
        self.off(self.saved)
        return self.comes_back(lambda: virsh("snapshot-revert", "saved", "running"), "by the hook", brings, need)

    def case_guest_started_paused_is_booked_at_its_startup(self):
        self.off(self.saved)
        self.set_budget(1000)
        # At its maximum of 512 MiB there would be too little left for the other one.
        need = self.need(self.other, 420)
        moment = time.monotonic()
        virsh("start", "stopped", "--paused")
        self.stopped.connect()
        # Longer than any grace that is given to a start.
        time.sleep(12)
        self.check_booked(self.stopped, moment, 150, 150)
        kept = self.check_kept(self.other, need, moment)
        before, lowest = self.truth.since(moment)[0].actual["other"], self.truth.lowest_actual(self.other, moment)
        check(lowest >= before - NEED_SLACK_MIB, f"other had {before:.0f} MiB and was squeezed for it to {lowest:.0f}")
        # Nothing holds it here: room for all that it may touch until its driver is there.
        need = self.need(self.other, 200)
        moment = time.monotonic()
        virsh("resume", "stopped")
        self.stopped.wait_ready()
        self.wait_active(self.stopped)
        self.check_kept(self.other, need, moment)
        self.off(self.stopped)
        self.set_budget(self.BUDGET)
        return kept

    def redefine_and_start(self, size):
        """Another definition and its start at once, on one connection. Returns since when."""
        with open(self.changed.file, encoding="utf-8") as file:
            xml = file.read()
        xml = re.sub(r"<(memory|currentMemory) unit='MiB'>\d+<", rf"<\1 unit='MiB'>{size}<", xml)
        uuid = virsh("domuuid", "changed").strip()
        xml = xml.replace("<name>", f"<uuid>{uuid}</uuid><name>", 1) if "<uuid>" not in xml else xml
        with open(self.changed.file, "w", encoding="utf-8") as file:
            file.write(xml)
        moment = time.monotonic()
        virsh(f"define {self.changed.file}; start changed")
        self.changed.connect()
        self.wait_seen(self.changed, "is known to start", 10, lambda it: it["state"] not in ("off", "reserved"))
        return moment

    def case_guest_defined_and_started_at_once_is_admitted_by_what_starts(self):
        self.off(self.saved)
        self.need(self.other, 200)
        moment = self.redefine_and_start(450)
        self.check_booked(self.changed, moment, 450, 450)
        self.off(self.changed)
        moment = self.redefine_and_start(200)
        self.check_booked(self.changed, moment, 200, 200)
        self.off(self.changed)
        return "450 MiB instead of 200, and 200 instead of 450"

    def case_booked_is_never_below_what_guests_bring(self):
        return self.check_truth()


class Again(LedgerScene):
    """A transient guest that is gone and there again, and is another one."""

    CONFIG = "[Host]\n"
    BUDGET = 1200
    UUID = "6a7c0c9c-58a5-4d5e-9d3c-2f0a7d3b9e11"

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.log_calls = True

    def set_up(self):
        self.other = self.host.define("other", 700, 200, minimum="128MiB", priority=50)
        self.host.start_guests(self.other)
        self.daemon.start()
        self.wait_active(self.other)
        self.look()

    def case_nothing_of_a_transient_guest_holds_for_the_next(self):
        again = self.host.define("again", 400, 200, transient=True, uuid=self.UUID, minimum="128MiB", priority=10)
        virsh("create", again.file)
        again.connect()
        again.wait_ready()
        self.wait_active(again)
        # It has a startup of all its 400 MiB, as transient guests do, and less than that.
        self.set_budget(800)
        need = self.need(self.other, 350)
        self.squeeze(again, 300)
        self.set_budget(self.BUDGET)
        offset = os.path.getsize(LIBVIRTD_CALLS)
        # The same uuid and name, more memory, no driver, and another minimum. dynmemd hears of both at once.
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        try:
            again = self.host.define("again", 500, 300, transient=True, uuid=self.UUID, minimum="300MiB", priority=10,
                                     cmdline="lab.driver=off lab.touch=250")
            virsh(f"destroy again; create {again.file}")
        finally:
            os.kill(self.daemon.process.pid, signal.SIGCONT)
        moment = time.monotonic()
        # One tick, and the time that reading about it takes.
        time.sleep(3)
        seen = self.seen(again)
        check(mib(seen["maximum"]) == 500 and mib(seen["minimum"]) == 300,
              f"minimum and maximum are {mib(seen['minimum'])} and {mib(seen['maximum'])} MiB: of the one before")
        check(seen["state"] not in ("active", "off"), f"its driver is not there, and it is {seen['state']}")
        check(seen["demand"] == 0, f"it has reported nothing, and its demand is {mib(seen['demand'])} MiB")
        check(mib(seen["committed"]) >= 500, f"nothing holds it; it is booked at {mib(seen['committed'])} of 500 MiB")
        again.connect()
        again.wait_ready()
        later = [guest["committed"] // MIB for guest in self.truth.seen(again, moment + 3)]
        check(min(later) >= 500, f"nothing holds it; it was booked at {min(later)} of 500 MiB")
        again.say("driver on")
        self.wait_active(again)
        # Its startup is its maximum; what its driver has taken on its way to 300 MiB until it is heard of, a second or so, is
        # not given back, and may be all of it. The one before was squeezed further than it may be.
        told = self.told(again, offset)
        check(all(size >= 300 for size in told), f"it is to have 300 MiB at least, and was told {told}")
        kept = self.check_kept(self.other, need, moment)
        virsh("destroy", "again")
        wait_until("it is forgotten", 15, lambda: "again" not in self.daemon.guests())
        return kept

    def case_booked_is_never_below_what_either_of_them_touches(self):
        return self.check_truth()


class Moves(LedgerScene):
    """Guests that migrate between two hosts."""

    CONFIG = "[Host]\n"
    BUDGET = 900

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.has_hook = True
        self.peer = None

    def set_up(self):
        self.peer = Peer(self.host, f"[Host]\nBudget={self.BUDGET}MiB\n")
        self.mover = self.host.define("mover", 512, 150, minimum="128MiB", priority=50, folder=self.peer.shared)
        self.local = self.peer.make_guest("local", 512, 200, minimum="128MiB", priority=50)
        self.host.start_guests(self.mover)
        self.local.start()
        self.local.wait_ready()
        self.daemon.start()
        self.arrived = self.peer.guest(self.mover)
        self.look()
        self.there = Truth(self.peer, self.peer.daemon)
        self.there.start()
        self.wait_active(self.mover)

    def recover(self):
        super().recover()
        virsh("domjobabort", "mover", check=False)

    def state_text(self):
        return super().state_text() + "  the other host's guests:\n" + "".join(
            f"    {guest['name']}: {guest['state']} {guest['rule']}, assigned {mib(guest['assigned'])} committed "
            f"{mib(guest['committed'])} demand {mib(guest['demand'])}\n"
            for guest in self.peer.daemon.guests().values())

    def recent_log(self):
        return super().recent_log() + "  the end of the other dynmemd's log:\n" + indented(
            "\n".join(self.peer.daemon.log().splitlines()[-25:]))

    def there_seen(self, name="mover"):
        return self.peer.daemon.guests().get(name, {"state": "off", "committed": 0})

    def migrate(self, bandwidth):
        return subprocess.Popen(
            ["virsh", "-q", "migrate", "--live", "--unsafe", "--persistent", "--bandwidth", str(bandwidth), "mover",
             self.peer.uri, "--migrateuri", f"unix://{self.peer.shared}/migration.sock"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def ready(self, load):
        """Both guests have what they need. Returns what the one that is there needs."""
        self.mover.load(200)
        self.mover.wait_held(200)
        self.local.load(load)
        self.local.wait_held(load)
        self.wait_steady(90)
        wait_until("the guest there has what it needs", 60, lambda: self.there_seen("local").get("status") == "ok")
        time.sleep(4)
        self.truth.all_is_read(self.mover)
        self.there.all_is_read(self.arrived)
        state = dict(word.split("=") for word in self.local.say("state").split())
        return self.local.actual() - int(state["MemAvailable"]) / 1024

    def only_local_is_booked(self):
        host = self.peer.daemon.ctl("host")
        return host["startsAdmitted"] == 0 and host["committed"] <= self.there_seen("local")["committed"] + MIB

    def check_arriving(self, moment, brings, need):
        said = self.check_brought(self.there, self.arrived, moment, brings,
                                  ("reserved", "starting", "migrating", "suspended"))
        lowest = self.there.lowest_actual(self.local, moment)
        check(lowest >= need - NEED_SLACK_MIB, f"local needs {need:.0f} MiB and was taken down to {lowest:.0f} for it")
        return f"{said}; local, which needs {need:.0f} MiB, never had less than {lowest:.0f}"

    def case_cancelled_migration_leaves_nothing_behind(self):
        # Beside it there is room for what arrives, and none for all that it might ever have.
        need = self.ready(400)
        brings, booked_here = self.mover.actual(), self.seen(self.mover)["committed"]
        moment = time.monotonic()
        process = self.migrate(2)
        try:
            wait_until("it is arriving", 20, lambda: self.there_seen()["state"] != "off")
            # Longer than any grace that is given to a start.
            time.sleep(12)
            check(process.poll() is None, "the migration has ended already")
            seen = self.seen(self.mover)
            check(seen["state"] == "migrating" and abs(seen["committed"] - booked_here) < MIB,
                  f"here it is {seen['state']}, booked at {mib(seen['committed'])} MiB instead of {mib(booked_here)}")
        finally:
            virsh("domjobabort", "mover", check=False)
            said = process.communicate(timeout=30 * PATIENCE)[1]
        check(process.returncode != 0 and "cancel" in said, f"the migration was not cancelled: {said}")
        begun = time.monotonic()
        wait_until("nothing is booked for it there", 5, lambda: self.there_seen()["committed"] == 0)
        wait_until("all is back there", 5, self.only_local_is_booked)
        took = time.monotonic() - begun
        self.wait_active(self.mover, seconds=10)
        return f"{self.check_arriving(moment, brings, need)}; all back after {took:.1f} s"

    def case_migrated_guest_is_booked_where_it_arrives(self):
        # Here there must be: where reading takes memory it takes its maximum when it arrives.
        need = self.ready(280)
        brings = self.mover.actual()
        moment = time.monotonic()
        process = self.migrate(25)
        said = process.communicate(timeout=90 * PATIENCE)[1]
        check(process.returncode == 0, f"it did not migrate: {said}")
        took = time.monotonic() - moment
        self.wait_seen(self.mover, "is booked here no more", 5,
                       lambda it: it["state"] == "off" and it["committed"] == 0)
        wait_until("it is active there", 45, lambda: self.there_seen()["state"] == "active")
        said = self.check_arriving(moment, brings, need)
        self.arrived.connect()
        check(self.arrived.held() == 200, "it did not arrive as it was")
        return f"in {took:.1f} s; {said}"

    def case_booked_is_never_below_what_arrives(self):
        self.there.stop()
        check(not self.there.problems, "there: " + "; ".join(self.there.problems[:3]))
        return f"{self.check_truth()} here, {self.there.checked} there"


class Interrupted(LedgerScene):
    """A libvirtd that is killed while it tells guests what they shall have."""

    CONFIG = "[Host]\n"
    BUDGET = 640

    def set_up(self):
        define = self.host.define
        self.web = define("web", 512, 200, minimum="128MiB", priority=50)
        self.mail = define("mail", 512, 200, minimum="128MiB", priority=50)
        self.host.start_guests(self.web, self.mail)
        self.daemon.start()
        self.wait_active(self.web, self.mail)
        self.look()

    def case_targets_under_way_stay_booked_while_libvirtd_is_killed(self):
        rounds = []
        for grows, shrinks in ((self.web, self.mail), (self.mail, self.web)):
            moment = time.monotonic()
            shrinks.load(20)
            grows.load(300)
            seen = self.wait_seen(grows, "is told to grow", 60,
                                  lambda it: it["target"] > it["assigned"] + 24 * MIB and it)
            self.host.stop_libvirtd(signal.SIGKILL)
            wait_until("dynmemd says that libvirt is away", 15, lambda: self.daemon.ctl("host")["link"] == "down")
            # The balloon goes on to where it was told, and the guest uses what it gets.
            time.sleep(3)
            booked = self.seen(grows)["committed"]
            check(booked >= seen["target"], f"{grows.name} was told {mib(seen['target'])} MiB, which may be in force, "
                  f"and is booked at {mib(booked)}")
            self.host.start_libvirtd()
            wait_until("dynmemd is connected again", 45, lambda: self.daemon.ctl("host")["link"] == "read-write")
            grows.wait_held(300, 90)
            for sample in self.truth.since(moment):
                total = sum(sample.touched.values())
                check(total <= self.BUDGET + 2 * SLACK_MIB, f"the guests have {total:.0f} MiB of {self.BUDGET}")
            rounds.append(f"{grows.name} from {mib(seen['assigned'])} on its way to {mib(seen['target'])}")
        return ", ".join(rounds)

    def case_booked_is_never_below_what_guests_touch_meanwhile(self):
        return self.check_truth()


SCENES = (Brought, Again, Moves, Interrupted)
