# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Faults on purpose: each thing that dynmemd may be doing, with each thing that may happen meanwhile. The cases are made from
two tables, in an order that a seed gives. After each of them the end must be right: the guests that run are balanced as before,
their programs go on with what they had, nothing is booked that is not there, and nothing was booked below what was touched.

What these machines can't show is left to the simulated world (tests/world) and to the host in a virtual machine (tests/host):

- what happens to paging files and limits: these need control groups of version 2, and a swap of the host's own;
- journald, the watchdog and polkit: there is no systemd here;
- a stepped clock, a host that is out of memory, suspended or resumed: that would hit the machine that runs this;
- a guest that is renamed, which libvirt refuses while it runs.
"""

import os
import random
import signal
import subprocess
import time
from uuid import uuid4

import start_cases
from cases import Lie, check, mib
from host import MIB, PATIENCE, LabError, virsh, wait_until
from ledger import LedgerScene

STATE = "/run/lab/state"


class Doings:
    """What dynmemd is brought to do. Each returns when it does it."""

    def __init__(self, scene):
        self.scene = scene

    def idle(self):
        """Nothing moves."""

    def growing(self):
        """mail gets more and more, of what is free."""
        self.scene.mail.load(330)
        self.moves(self.scene.mail, lambda it: it["target"] > 260 * MIB)

    def squeezing(self):
        """web gives up what it no longer needs, and mail gets it."""
        scene = self.scene
        scene.web.load(330)
        scene.web.wait_held(330)
        before = scene.seen(scene.web)["target"]
        scene.web.load(20)
        scene.mail.load(330)
        self.moves(scene.web, lambda it: it["target"] < before - 20 * MIB)

    def admitting(self):
        """The start of spare waits until the others have made room."""
        scene = self.scene
        for guest in (scene.web, scene.mail):
            guest.load(300)
        for guest in (scene.web, scene.mail):
            guest.wait_held(300)
        scene.starting = start_cases.Start(scene.spare)
        wait_until("the hook of spare waits", 10,
                   lambda: start_cases.hook_runs(scene.spare) or scene.starting.done(), 0.02)

    def reloading(self):
        """It has just been told to read its configuration anew."""
        self.scene.daemon.process.send_signal(signal.SIGHUP)

    def stopping(self):
        """It has just been told to end."""
        self.scene.daemon.process.send_signal(signal.SIGTERM)

    def moves(self, guest, condition):
        self.scene.wait_seen(guest, "is told something else", 30, condition)


class Events:
    """What happens, to the host or to this guest of it, and how it ends."""

    def __init__(self, scene, guest):
        self.scene, self.guest = scene, guest

    def nothing(self):
        pass

    def qemu_stopped(self):
        pid = self.guest.pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(6)
        os.kill(pid, signal.SIGCONT)

    def qemu_killed(self):
        os.kill(self.guest.pid(), signal.SIGKILL)
        wait_until(f"{self.guest.name} is off", 20, lambda: virsh("domstate", self.guest.name).strip() == "shut off")
        self.start_guest()

    def libvirtd_stopped(self):
        self.scene.host.libvirtd.send_signal(signal.SIGSTOP)
        time.sleep(8)
        self.scene.host.libvirtd.send_signal(signal.SIGCONT)

    def libvirtd_killed(self):
        self.scene.host.stop_libvirtd(signal.SIGKILL)
        self.scene.host.start_libvirtd()

    def libvirtd_restarted(self):
        self.scene.host.stop_libvirtd()
        time.sleep(1)
        self.scene.host.start_libvirtd()

    def dynmemd_killed(self):
        self.scene.daemon.process.kill()
        self.scene.daemon.process.wait()
        time.sleep(1)

    def dynmemd_stopped(self):
        self.scene.daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(6)
        self.scene.daemon.process.send_signal(signal.SIGCONT)

    def bus_gone(self):
        self.scene.host.bus.kill()
        self.scene.host.bus.wait()
        time.sleep(1)
        os.unlink("/run/dbus/system_bus_socket")
        self.scene.host.start_bus()
        # libvirtd ends with its bus, and is started again as systemd does it
        if self.scene.host.libvirtd.poll() is not None or not self.scene.host.libvirtd_answers():
            self.scene.host.libvirtd.kill()
            self.scene.host.libvirtd.wait()
            self.scene.host.start_libvirtd()

    def disk_full(self):
        with open(f"{STATE}/filled", "wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096):
                    pass
            except OSError:
                pass
        # each of these is worth a new state
        self.scene.daemon.ctl_status("set", self.guest.name, "priority=51")
        self.scene.daemon.ctl_status("set", self.guest.name, "priority=50")
        time.sleep(2)
        os.unlink(f"{STATE}/filled")

    def file_system_read_only(self):
        subprocess.run(["mount", "-o", "remount,ro", STATE], check=True)
        try:
            self.scene.daemon.ctl_status("set", self.guest.name, "priority=51")
            self.scene.daemon.ctl_status("set", self.guest.name, "priority=50")
            time.sleep(2)
        finally:
            subprocess.run(["mount", "-o", "remount,rw", STATE], check=True)

    def guest_paused(self):
        virsh("suspend", self.guest.name)
        time.sleep(5)
        virsh("resume", self.guest.name)

    def guest_reset(self):
        self.scene.truth.is_reset(self.guest)
        virsh("reset", self.guest.name)
        self.scene.truth.is_reset(self.guest)  # libvirtd may have taken its time
        self.guest.wait_ready()

    def guest_destroyed_and_started(self):
        virsh("destroy", self.guest.name)
        self.start_guest()

    def guest_saved_and_restored(self):
        self.scene.truth.all_is_read(self.guest)
        virsh("managedsave", self.guest.name)
        virsh("start", self.guest.name)
        self.guest.connect()

    def guest_hibernated(self):
        """It goes on where it was, in a kernel that has booted first."""
        self.guest.ask("hibernate")
        wait_until(f"{self.guest.name} is off", 60, lambda: virsh("domstate", self.guest.name).strip() == "shut off")
        virsh("start", self.guest.name)
        self.guest.connect()
        self.guest.wait_answer("hibernate", 90 * PATIENCE)

    def guest_reverted(self):
        self.scene.truth.all_is_read(self.guest)
        virsh("snapshot-create-as", self.guest.name, "before")
        try:
            time.sleep(1)
            try:
                virsh("snapshot-revert", self.guest.name, "before")
            except LabError as error:  # between its two QEMUs another start may have got its memory
                check("free and" in str(error), str(error))
                virsh("destroy", "spare")
                virsh("snapshot-revert", self.guest.name, "before")
        finally:
            virsh("snapshot-delete", self.guest.name, "before")
        self.guest.connect()

    def guest_undefined_while_it_runs(self):
        virsh("undefine", self.guest.name)
        time.sleep(2)
        virsh("define", self.guest.file)

    def guest_redefined(self):
        with open(self.guest.file, encoding="utf-8") as file:
            xml = file.read()
        other = f"{self.guest.file}.other"
        with open(other, "w", encoding="utf-8") as file:
            file.write(xml.replace('minimum="128MiB"', 'minimum="150MiB"'))
        virsh("define", other)
        time.sleep(2)
        virsh("define", self.guest.file)

    def balloon_moved(self):
        virsh("setmem", self.guest.name, "500MiB", "--live")
        time.sleep(1)

    def driver_unloaded(self):
        self.guest.say("driver off")
        time.sleep(3)
        self.guest.say("driver on")

    def start_guest(self):
        virsh("start", self.guest.name)
        self.guest.connect()
        self.guest.wait_ready()


def names_of(table):
    return [name for name in vars(table) if not name.startswith("_") and name not in ("moves", "start_guest")]


# Pairs that can't be, or are another one.
LEFT_OUT = {
    ("stopping", "dynmemd_stopped"): "it could end only later, which is the same",
    ("stopping", "disk_full"): "there is nobody to ask for a change of settings",
    ("stopping", "file_system_read_only"): "likewise",
}


class Matrix(LedgerScene):
    """All pairs on one host, one after the other."""

    CONFIG = "[Host]\n[Admission]\nTimeoutSec=25\n"
    BUDGET = 800
    SEED = 1

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.has_hook = True
        self.starting = None
        self.doings, self.events = Doings(self), None

    @classmethod
    def pairs(cls):
        return {f"{doing}_and_{event}": (doing, event) for doing in names_of(Doings) for event in names_of(Events)
                if (doing, event) not in LEFT_OUT}

    @classmethod
    def case_names(cls):
        names = list(cls.pairs())
        random.Random(cls.SEED).shuffle(names)
        return names

    def set_up(self):
        os.makedirs(STATE, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", STATE], check=True)

        def define(name, maximum, **settings):
            # with its uuid in its file it can be defined again while it runs
            return self.host.define(name, maximum, 200, minimum="128MiB", uuid=str(uuid4()), **settings)

        self.web = define("web", 512, priority=50, snapshots=True)
        self.mail = define("mail", 512, priority=50)
        self.spare = define("spare", 256, priority=80)
        self.events = Events(self, self.web)
        self.host.start_guests(self.web, self.mail)
        self.daemon.start()
        self.wait_active(self.web, self.mail)
        self.look()
        self.settle()

    def case(self, name):
        return self.happens(*self.pairs()[name])

    def happens(self, doing, event):
        moment = time.monotonic()
        before = len(self.truth.problems)
        getattr(self.doings, doing)()
        getattr(self.events, event)()
        if doing == "stopping":
            status = self.daemon.process.wait(timeout=15 * PATIENCE)
            check(status == 0 or (event == "dynmemd_killed" and status == -signal.SIGKILL), "dynmemd did not end well")
        said = self.settle()
        lies = self.truth.problems[before:]
        if lies:
            raise Lie(f"{len(lies)} looks, first: {lies[0]}")
        lowest = self.truth.lowest_actual(self.mail, moment)
        check(lowest >= 127, f"mail was taken down to {lowest:.0f} MiB")
        check("restarting" not in {seen["state"] for seen in self.truth.seen(self.mail, moment)},
              "mail, to which nothing happened, was reset")
        return said

    def settle(self):
        """Brings the guests back to where each case begins, and says how long that took dynmemd."""
        if self.daemon.process.poll() is not None:
            self.daemon.start()
        if self.starting:
            self.starting.end()
            self.starting = None
        virsh("destroy", "spare", check=False)
        check(virsh("domstate", "web").strip() == "running", "web does not run")
        for guest, size in ((self.web, 40), (self.mail, 150)):
            guest.load(size)
            guest.wait_held(size)
        return self.wait_well({"web": "active", "mail": "active", "spare": "off"})

    def recover(self):
        super().recover()
        if self.starting:
            self.starting.end()
            self.starting = None
        virsh("destroy", "spare", check=False)
        for guest in (self.web, self.mail):
            if virsh("domstate", guest.name, check=False).strip() == "running":
                virsh("resume", guest.name, check=False)
                virsh("destroy", guest.name, check=False)
            virsh("define", guest.file)
            virsh("managedsave-remove", guest.name, check=False)
        self.host.start_guests(self.web, self.mail)
        self.settle()


SCENES = (Matrix,)
