# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The lab's cases: what must hold on real guests. A scene is a host with its guests and a dynmemd; its cases run in
order on that host, each leaving it so that the next can begin. All of this runs inside a sandbox.
"""

import os
import re
import signal
import subprocess
import time
import traceback

import cost
from host import MIB, PATIENCE, Daemon, Host, LabError, virsh, wait_until
from watcher import Watcher


class Lie(AssertionError):
    """What was promised was not so. No lateness explains that: the case has failed whatever a second run shows."""


class Scene:
    """Base of all scenes. A case is a method whose name starts with case_; what it returns is printed behind it."""

    CONFIG = ""

    def __init__(self, images, build):
        self.host = Host(images, build)
        self.daemon = Daemon(self.host, self.CONFIG)
        self.watcher = None

    @classmethod
    def case_names(cls):
        return [name[len("case_"):] for name in cls.__dict__ if name.startswith("case_")]

    def case(self, name):
        return getattr(self, f"case_{name}")()

    def run(self, names, seconds=None):
        """Cases that would begin after so many seconds are left out."""
        began = time.monotonic()
        try:
            self.host.start()
            self.set_up()
        except Exception:  # noqa: BLE001 whatever it is, all cases fail because of it
            for name in names:
                print(f"miss {name}: its host could not be set up", flush=True)
            print(indented(traceback.format_exc()) + self.recent_log(), flush=True)
            return
        for name in names:
            start = time.monotonic()
            if seconds and start - began > seconds:
                print(f"skip {name}: the budget of {seconds} s is used up", flush=True)
                continue
            try:
                said = self.case(name)
                print(f"ok   {name}" + (f": {said}" if said else "") + f" ({time.monotonic() - start:.1f} s)",
                      flush=True)
            except Exception as error:  # noqa: BLE001
                kind = "FAIL" if isinstance(error, Lie) else "miss"
                print(f"{kind} {name}: {error} ({time.monotonic() - start:.1f} s)", flush=True)
                if not isinstance(error, (LabError, AssertionError)):
                    print(indented(traceback.format_exc()), flush=True)
                print(self.state_text() + self.recent_log(), flush=True)
                self.recover()

    def recent_log(self):
        try:
            return "  the end of dynmemd's log:\n" + indented("\n".join(self.daemon.log().splitlines()[-25:]))
        except OSError:
            return ""

    def state_text(self):
        try:
            host = self.daemon.ctl("host")
            return (f"  the host: budget {mib(host['budget'])} by {host['budgetLimit']}, committed "
                    f"{mib(host['committed'])}, link {host['link']}\n  the guests:\n") + "".join(
                f"    {guest['name']}: {guest['state']} {guest['rule']}, assigned {mib(guest['assigned'])} target "
                f"{mib(guest['target'])} committed {mib(guest['committed'])} demand {mib(guest['demand'])} want "
                f"{mib(guest['want'])}\n" for guest in self.daemon.guests().values())
        except Exception as error:  # noqa: BLE001
            return f"  dynmemd does not tell of the guests: {error}\n"

    def set_up(self):
        raise NotImplementedError

    def recover(self):
        """After a failed case: brings back what the next one needs."""
        if self.host.libvirtd.poll() is not None:
            self.host.start_libvirtd()
        if self.daemon.process and self.daemon.process.poll() is not None:
            self.daemon.start()

    def watch(self):
        self.watcher = Watcher(self.daemon)
        self.watcher.start()

    def check_watched(self):
        problems = self.watcher.stop()
        if self.watcher.samples < 10 or self.watcher.libvirt_samples < 5:
            raise LabError(f"only {self.watcher.samples} samples were taken, {self.watcher.libvirt_samples} of libvirt")
        if problems:
            raise LabError(f"broken in {len(problems)} samples, first:\n" + indented("\n".join(problems[:5])))
        return f"{self.watcher.samples} samples of dynmemd, {self.watcher.libvirt_samples} of libvirt"

    # ---- what cases are told in ----

    def seen(self, guest):
        return self.daemon.guests()[guest.name]

    def wait_seen(self, guest, what, seconds, condition):
        """Waits until dynmemd shows the guest in a way that condition(properties) is true."""
        def met():
            seen = self.daemon.guests().get(guest.name)
            return seen is not None and condition(seen)

        return wait_until(f"{guest.name} {what}", seconds, met, 0.2)

    def wait_active(self, *guests, seconds=45):
        for guest in guests:
            self.wait_seen(guest, "is active", seconds, lambda it: it["state"] == "active")

    def wait_steady(self, seconds=30, still=3):
        """Waits until no target has changed for some seconds and all are reached. Returns the guests."""
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        last, since = None, time.monotonic()
        while time.monotonic() < deadline:
            guests = self.daemon.guests()
            targets = {name: (guest["target"], guest["state"]) for name, guest in guests.items()}
            reached = all(abs(guest["assigned"] - guest["target"]) <= MIB for guest in guests.values()
                          if guest["state"] == "active")
            if targets != last or not reached:
                last, since = targets, time.monotonic()
            elif time.monotonic() - since >= still:
                return guests
            time.sleep(0.2)
        raise LabError(f"the targets did not become steady within {seconds} s")

    def make_idle(self, *guests):
        for guest in guests:
            guest.load(20)


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


def mib(size):
    return size // MIB


def check(condition, text):
    if not condition:
        raise AssertionError(text)


class Balance(Scene):
    """Three guests on a host that is too small for all of them at once."""

    CONFIG = "[Host]\nBudget=760MiB\n"

    def set_up(self):
        define = self.host.define
        self.web = define("web", 512, 200, minimum="128MiB", priority=80)
        self.mail = define("mail", 512, 200, minimum="128MiB", priority=50)
        self.batch = define("batch", 512, 200, minimum="128MiB", priority=20)
        self.all = (self.web, self.mail, self.batch)
        self.host.start_guests(*self.all)
        self.daemon.start()
        self.wait_active(*self.all)
        self.watch()

    def case_target_follows_load_up(self):
        start = time.monotonic()
        self.web.load(260)
        self.web.wait_held(260, 30)
        took = time.monotonic() - start
        guest = self.wait_seen(self.web, "has its demand", 15, lambda it: it["status"] == "ok") and self.seen(self.web)
        check(mib(guest["assigned"]) >= 300, f"it holds 260 MiB and has {mib(guest['assigned'])} MiB")
        return f"held 260 MiB more after {took:.1f} s, assigned {mib(guest['assigned'])} MiB"

    def case_target_follows_load_down(self):
        before, held_before = self.seen(self.web)["assigned"], self.web.resident()
        self.web.load(20)
        start = time.monotonic()
        # Somebody must want it, or the surplus must have lasted for five minutes.
        self.mail.load(400)
        self.wait_seen(self.web, "gives back what it no longer needs", 120,
                       lambda it: it["assigned"] < before - 100 * MIB and
                       it["assigned"] <= max(it["want"], it["minimum"]) * 1.25)
        after = self.seen(self.web)["assigned"]
        took = time.monotonic() - start
        held = self.web.resident()
        check(held < held_before - 50, f"the host got nothing: QEMU held {held_before:.0f} MiB and holds {held:.0f}")
        return (f"from {mib(before)} to {mib(after)} MiB in {took:.0f} s, and its QEMU from {held_before:.0f} to "
                f"{held:.0f} MiB")

    def case_shortage_is_shared_by_priority(self):
        for guest in self.all:
            guest.load(400)
        wait_until("the host is short of memory", 60, lambda: all(
            guest["want"] > guest["target"] for guest in self.daemon.guests().values()), 0.5)
        seen = {}

        def settled():
            # In stage 1 everybody has its minimum and a share of the rest that is proportional to priority + 1.
            guests = self.wait_steady(60)
            levels = [(guest["target"] - guest["minimum"]) / (guest["priority"] + 1) for guest in guests.values()]
            left = self.daemon.ctl("host")["budget"] - sum(guest["target"] for guest in guests.values())
            seen["shares"] = ", ".join(f"{name} {mib(guest['target'])} MiB (priority {guest['priority']})"
                                       for name, guest in sorted(guests.items())) + f", {mib(left)} MiB are left"
            return max(levels) <= 1.03 * min(levels) and 0 <= left <= 4 * MIB

        try:
            wait_until("the shares are by priority", 120, settled)
        except LabError as error:
            raise LabError(f"{error}: {seen.get('shares')}") from error
        return seen["shares"]

    def case_new_settings_count_at_once(self):
        def prioritise(priority):
            virsh("metadata", "batch", "--uri", "urn:dynmem:domain:1", "--key", "dynmem", "--live", "--set",
                  f"<memory minimum='128MiB' priority='{priority}'/>")

        before = self.seen(self.batch)["target"]
        prioritise(100)
        try:
            self.wait_seen(self.batch, "gets more with a higher priority", 20,
                           lambda it: it["priority"] == 100 and it["target"] > before * 1.12)
            after = self.seen(self.batch)["target"]
        finally:
            prioritise(20)
        self.wait_seen(self.batch, "has about its old share again", 30,
                       lambda it: it["priority"] == 20 and it["target"] < before * 1.06)
        return f"from {mib(before)} to {mib(after)} MiB and back"

    def case_libvirtd_restart_keeps_targets(self):
        before = self.wait_steady()
        self.host.stop_libvirtd()
        wait_until("dynmemd says that libvirt is away", 15, lambda: self.daemon.ctl("host")["link"] == "down")
        time.sleep(2)
        check(self.daemon.process.poll() is None, "dynmemd has ended")
        self.host.start_libvirtd()
        for guest in self.all:
            check(abs(guest.actual() - mib(before[guest.name]["target"])) <= 2,
                  f"{guest.name} had {mib(before[guest.name]['target'])} MiB and has {guest.actual():.0f}")
        start = time.monotonic()
        wait_until("dynmemd is connected again", 45, lambda: self.daemon.ctl("host")["link"] == "read-write")
        took = time.monotonic() - start
        self.wait_active(*self.all)
        after = self.wait_steady()
        for name, guest in after.items():
            # Not to the MiB: what the guests are seen to need moves by itself.
            check(abs(guest["target"] - before[name]["target"]) <= before[name]["target"] * 0.1,
                  f"{name} had a target of {mib(before[name]['target'])} MiB and has one of {mib(guest['target'])}")
        return f"back {took:.1f} s after libvirtd"

    def case_killed_daemon_squeezes_nobody(self):
        before = self.wait_steady()
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        time.sleep(2)
        for guest in self.all:
            check(abs(guest.actual() - mib(before[guest.name]["target"])) <= 2,
                  f"{guest.name} had {mib(before[guest.name]['target'])} MiB and has {guest.actual():.0f}")
        lowest = {guest.name: guest.actual() for guest in self.all}
        self.daemon.start()
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            for guest in self.all:
                lowest[guest.name] = min(lowest[guest.name], guest.actual())
            time.sleep(0.3)
        self.wait_active(*self.all)
        after = self.wait_steady()
        for name, guest in after.items():
            was = mib(before[name]["target"])
            check(lowest[name] >= was * 0.9, f"{name} had {was} MiB and was squeezed to {lowest[name]:.0f}")
            check(abs(mib(guest["target"]) - was) <= was * 0.1,
                  f"the target of {name} was {was} MiB and is {mib(guest['target'])}")
        return "targets continue where they were"

    def case_orderly_stop_keeps_memory(self):
        # What somebody else sets meanwhile is theirs, and put right: the rhythm of three reports shows it.
        virsh("dommemstat", "web", "--period", "5", "--live")
        wait_until("web reports every second again", 40, lambda: "<stats period='1'/>" in virsh("dumpxml", "web"))
        before = self.wait_steady()
        start = time.monotonic()
        status = self.daemon.stop()
        took = time.monotonic() - start
        check(status == 0, f"dynmemd ended with {status}")
        time.sleep(1)
        for guest in self.all:
            check(abs(guest.actual() - mib(before[guest.name]["target"])) <= 2,
                  f"{guest.name} had {mib(before[guest.name]['target'])} MiB and has {guest.actual():.0f}")
            period = re.findall("<stats period='([0-9]+)'", virsh("dumpxml", guest.name))
            check(period == (["5"] if guest is self.web else []),
                  f"the statistics period of {guest.name} is {period}, and not what others want")
        virsh("dommemstat", "web", "--period", "0", "--live")
        self.daemon.start()
        self.wait_active(*self.all)
        return f"stopped in {took:.1f} s, statistics periods put back"

    def case_limits_hold_at_every_sample_of_balancing(self):
        self.make_idle(*self.all)
        self.web.load(400)
        time.sleep(6)
        self.mail.load(300)
        time.sleep(6)
        return self.check_watched()


class Trouble(Scene):
    """Guests that come, go, hang, are reset or have no driver, while others must be balanced as before."""

    CONFIG = "[Host]\nBudget=1900MiB\n"

    def set_up(self):
        define = self.host.define
        self.good = define("good", 512, 200, minimum="128MiB", priority=50)
        self.other = define("other", 512, 200, minimum="128MiB", priority=50)
        self.mute = define("mute", 256, 256, minimum="128MiB", cmdline="lab.driver=off")
        self.slow = define("slow", 384, 200, minimum="128MiB", cmdline="lab.driver=6")
        self.extra = define("extra", 256, 200, minimum="128MiB")
        self.stranger = define("stranger", 128, managed=False)
        self.host.start_guests(self.good, self.other, self.mute, self.slow, self.stranger)
        # Its driver comes late; where it finds it on its way the daemon would leave it there, as nobody lacks what it has.
        wait_until("the balloon of slow is where it shall begin", 60, lambda: self.slow.actual() == self.slow.startup)
        self.daemon.start()
        self.wait_active(self.good, self.other, self.slow)
        self.watch()

    def others_are_balanced(self, guest=None):
        """Proves that load still moves memory: up, and the tick still works."""
        guest = guest or self.good
        guest.load(20)
        guest.wait_held(20)
        guest.load(260)
        start = time.monotonic()
        guest.wait_held(260, 30)
        self.wait_seen(guest, "has what it needs", 15, lambda it: it["status"] == "ok")
        took = time.monotonic() - start
        guest.load(20)
        return took

    def case_no_driver_is_booked_full_and_left_alone(self):
        seen = self.wait_seen(self.mute, "is recognised", 60, lambda it: it["rule"] == "no-driver" and it)
        check(seen["committed"] >= 256 * MIB, f"it is booked with {mib(seen['committed'])} MiB only")
        check(abs(self.mute.actual() - 256) <= 1, f"its balloon was told {self.mute.actual():.0f} MiB")
        self.mute.load(150)
        self.mute.wait_held(150)
        took = self.others_are_balanced()
        return f"{seen['state']}, booked with {mib(seen['committed'])} MiB; another got 260 MiB in {took:.1f} s"

    def case_late_driver_makes_it_managed(self):
        self.mute.load(20)
        self.mute.say("driver on")
        self.wait_seen(self.mute, "is active", 45, lambda it: it["state"] == "active")
        return None

    def case_unmanaged_is_counted_and_never_changed(self):
        seen = self.seen(self.stranger)
        check(seen["rule"] == "unmanaged" and seen["state"] == "static", f"it is {seen['state']}, {seen['rule']}")
        check(seen["committed"] >= 128 * MIB, f"it is booked with {mib(seen['committed'])} MiB only")
        check("<stats period" not in virsh("dumpxml", "stranger"), "its statistics were switched on")
        check(self.stranger.actual() == 128, f"it has {self.stranger.actual()} MiB")

    def case_reset_books_anew_until_the_driver_is_back(self):
        self.slow.load(20)
        self.wait_active(self.slow)
        before = self.wait_seen(self.slow, "has less than its maximum", 30, lambda it: it["assigned"] < 300 * MIB and it)
        virsh("reset", "slow")
        start = time.monotonic()
        seen = self.wait_seen(self.slow, "is seen restarting", 4, lambda it: it["state"] == "restarting" and it)
        noticed = time.monotonic() - start
        check(seen["committed"] >= 384 * MIB, f"it may touch 384 MiB and is booked with {mib(seen['committed'])}")
        self.slow.wait_ready()
        seen = self.seen(self.slow)
        check(seen["state"] == "restarting" and seen["committed"] >= 384 * MIB,
              f"its driver is not loaded yet, but it is {seen['state']} and booked with {mib(seen['committed'])} MiB")
        self.wait_seen(self.slow, "is active again", 60, lambda it: it["state"] == "active")
        took = time.monotonic() - start
        self.wait_seen(self.slow, "is booked with what it has", 60, lambda it: it["committed"] < 384 * MIB)
        return (f"noticed after {noticed:.1f} s, booked with {mib(seen['committed'])} MiB instead of "
                f"{mib(before['committed'])}, active again after {took:.1f} s")

    def case_guest_reboot_is_seen_too(self):
        self.other.say("reboot")
        self.wait_seen(self.other, "is seen restarting", 4, lambda it: it["state"] == "restarting")
        self.other.wait_ready()
        self.wait_active(self.other)

    def case_start_and_stop_while_others_are_balanced(self):
        self.good.load(300)
        self.extra.start()
        self.wait_seen(self.extra, "is seen starting", 10, lambda it: it["state"] in ("starting", "active"))
        self.good.wait_held(300, 40)
        self.extra.wait_ready()
        self.wait_active(self.extra)
        self.extra.destroy()
        self.wait_seen(self.extra, "is off", 10, lambda it: it["state"] == "off" and it["committed"] == 0)
        virsh("undefine", "extra")
        wait_until("it is forgotten", 10, lambda: "extra" not in self.daemon.guests())
        self.good.load(20)

    def case_stopped_qemu_does_not_hold_up_others(self):
        self.wait_active(self.good, self.other)
        quick = self.others_are_balanced()
        pid = self.other.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            self.wait_seen(self.other, "is set aside", 30, lambda it: it["state"] == "unresponsive")
            noticed = time.monotonic() - start
            booked = self.seen(self.other)
            check(booked["committed"] >= booked["assigned"], f"it is booked with {mib(booked['committed'])} MiB")
            ticks = self.daemon.ctl("host")["ticks"]
            slow = self.others_are_balanced()
            # Long enough that calls which pile up would have cost the connection.
            time.sleep(max(0, 40 - (time.monotonic() - start)))
            done = self.daemon.ctl("host")["ticks"] - ticks
            check(self.daemon.ctl("host")["link"] == "read-write", "the connection was lost")
            slow = max(slow, self.others_are_balanced())
            check(slow <= quick + 5, f"another guest waited {slow:.1f} s for memory, before it was {quick:.1f} s")
            check(self.seen(self.other)["state"] == "unresponsive", f"it is {self.seen(self.other)['state']}")
        finally:
            os.kill(pid, signal.SIGCONT)
        start = time.monotonic()
        self.wait_active(self.other, seconds=60)
        return (f"set aside after {noticed:.1f} s, back {time.monotonic() - start:.1f} s after SIGCONT; {done} ticks "
                f"meanwhile, another guest grew in {slow:.1f} s (before: {quick:.1f} s)")

    def case_paused_guest_is_frozen(self):
        virsh("suspend", "other")
        self.wait_seen(self.other, "is suspended", 10, lambda it: it["state"] == "suspended")
        before = self.seen(self.other)["committed"]
        self.others_are_balanced()
        check(self.seen(self.other)["committed"] == before, "its booking changed")
        virsh("resume", "other")
        self.wait_active(self.other)

    def case_limits_hold_at_every_sample_of_trouble(self):
        return self.check_watched()


class Looking(Scene):
    """A daemon that may only look, and what it costs when there is nothing to do."""

    CONFIG = "[Host]\nBudget=500MiB\n"

    def set_up(self):
        define = self.host.define
        self.all = tuple(define(f"guest{number}", 256, 200, minimum="128MiB") for number in (1, 2, 3))
        self.host.start_guests(*self.all)
        self.actual = {guest.name: guest.actual() for guest in self.all}

    def recover(self):
        # Each case starts a daemon of its own.
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.process.kill()
            self.daemon.process.wait()

    def untouched(self):
        for guest in self.all:
            check(guest.actual() == self.actual[guest.name], f"{guest.name} has {guest.actual()} MiB")

    def report_every(self, seconds):
        """Somebody else switches the statistics on: a daemon that only looks may not."""
        for guest in self.all:
            virsh("dommemstat", guest.name, "--period", str(seconds), "--live")

    def works_out_and_does_nothing(self):
        """Expects the targets that would be told: in 500 MiB, more for the guest that needs it, less than they have."""
        busy, idle = self.all[0], self.all[1]
        for guest in self.all:
            self.wait_seen(guest, "is observed", 30, lambda it: it["state"] == "observed" and it["demand"] > 0)
        wait_until("targets are worked out", 30, lambda: (self.seen(idle)["target"] < 180 * MIB
                                                         and self.seen(busy)["target"] > self.seen(idle)["target"]))
        time.sleep(3)
        self.untouched()
        return (f"observed; {busy.name} would get {mib(self.seen(busy)['target'])}, "
                f"{idle.name} {mib(self.seen(idle)['target'])}, both keep {self.actual[idle.name]} MiB")

    def case_dry_run_changes_nothing(self):
        self.daemon.options = ("--dry-run",)
        self.daemon.start()
        self.all[0].load(150)
        time.sleep(12)
        self.untouched()
        check(self.daemon.ctl("host")["dryRun"] is True, "dm-ctl host does not say that it is a dry run")
        seen = self.seen(self.all[0])
        check(seen["state"] == "static", f"without statistics {seen['name']} is {seen['state']}")
        for guest in self.all:
            check("<stats period" not in virsh("dumpxml", guest.name), f"the statistics period of {guest.name} was set")
        check(self.daemon.stop() == 0, "dynmemd did not end well")

        self.report_every(1)
        try:
            self.daemon.start()
            said = self.works_out_and_does_nothing()
            check(self.daemon.stop() == 0, "dynmemd did not end well")
        finally:
            self.report_every(0)
        return said

    def case_read_only_connection_observes(self):
        self.all[0].load(150)
        self.report_every(1)
        # Root that must obey file permissions, and a socket for changes that belongs to somebody else.
        os.chown("/run/libvirt/libvirt-sock", 65534, 65534)
        self.daemon.options, self.daemon.wrapper = (), ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-all")
        try:
            self.daemon.start()
            wait_until("it is connected", 20, lambda: self.daemon.ctl("host")["link"] == "read-only")
            said = f"{self.daemon.ctl('host')['linkText']}; {self.works_out_and_does_nothing()}"
            check(self.daemon.stop() == 0, "dynmemd did not end well")
        finally:
            os.chown("/run/libvirt/libvirt-sock", 0, 0)
            self.daemon.wrapper = ()
            self.report_every(0)
        return said

    def case_idle_daemon_costs_little(self):
        self.all[0].load(20)
        self.daemon.configure("[Host]\nBudget=900MiB\n")
        self.daemon.options = ()
        self.daemon.start()
        self.wait_active(*self.all)
        time.sleep(5)
        used = cost.measure(self.daemon.process.pid, 10, lambda: self.daemon.ctl("host")["ticks"])
        libraries = subprocess.run(["ldd", f"{self.host.build}/src/dynmemd"], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout
        sanitized = "asan" in libraries
        check(used.cpu_percent < (10 if sanitized else 1), f"it takes {used.cpu_percent:.2f} % of a core when idle")
        check(sanitized or used.resident_mib < 32, f"it is {used.resident_mib:.1f} MiB large")
        return used.text() + (", built with sanitizers" if sanitized else "")

    def case_sanitizers_are_silent_at_the_end(self):
        check(self.daemon.stop() == 0, "dynmemd did not end well")
        log = self.daemon.log()
        for mark in ("Sanitizer", "runtime error", "CRITICAL"):
            lines = [line for line in log.splitlines() if mark in line]
            check(not lines, lines[0] if lines else "")


SCENES = (Trouble, Balance, Looking)
