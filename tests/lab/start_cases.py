# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The lab's cases of starting: libvirt's hook, admission, and what goes on while a hook waits. As in cases.py.
"""

import os
import re
import signal
import subprocess
import threading
import time

from cases import Scene, check, mib
from host import HOOK_PATH, LIBVIRTD_CALLS, MIB, PATIENCE, URI, LabError, run, virsh, wait_until


class Start:
    """virsh start in the background, timed."""

    def __init__(self, guest):
        self.guest = guest
        self.begun = time.monotonic()
        self.took = None
        self.process = subprocess.Popen(["virsh", "-q", "-c", URI, "start", guest.name], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
        self.said = ""
        self.thread = threading.Thread(target=self._wait, daemon=True)
        self.thread.start()

    def _wait(self):
        self.said = self.process.communicate()[1].strip()
        self.took = time.monotonic() - self.begun

    def done(self):
        return self.took is not None

    def end(self, seconds=90):
        """Waits for the end. Returns whether the guest was started."""
        seconds *= PATIENCE
        self.thread.join(seconds)
        if not self.done():
            self.process.kill()
            raise LabError(f"virsh start {self.guest.name} did not end within {seconds} s")
        return self.process.returncode == 0

    def expect(self, seconds=90):
        """The guest must have been started. Returns the seconds that took."""
        check(self.end(seconds), f"{self.guest.name} was not started: {self.said}")
        return self.took


def hook_runs(guest):
    """Whether the hook waits for an answer about the start of this guest."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                words = file.read().split("\0")
        except OSError:
            continue
        if "hook" in words and guest.name in words and "prepare" in words:
            return True
    return False


class Calls:
    """What clients asked libvirtd about guests since now."""

    def __init__(self):
        self.offset = os.path.getsize(LIBVIRTD_CALLS)

    def lines(self):
        with open(LIBVIRTD_CALLS, encoding="utf-8", errors="replace") as log:
            log.seek(self.offset)
            return re.findall(r"debug : (vir\w+:\d+ : .*)", log.read())


class Starts(Scene):
    """Guests that are started by libvirt, whose hook asks dynmemd."""

    CONFIG = "[Host]\nBudget={budget}MiB\n[Admission]\nTimeoutSec={timeout}\nWhenAbsent={absent}\n"
    BUDGET = 1000

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.log_calls = True
        self.host.has_hook = True

    def configure(self, budget=BUDGET, timeout=25, absent="allow"):
        self.daemon.configure(self.CONFIG.format(budget=budget, timeout=timeout, absent=absent))
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.process.send_signal(signal.SIGHUP)
            wait_until("the budget is in force", 10, lambda: mib(self.daemon.ctl("host")["budget"]) == budget)

    def set_up(self):
        define = self.host.define
        self.configure()
        self.web = define("web", 512, 200, minimum="128MiB", priority=60)
        self.batch = define("batch", 512, 200, minimum="128MiB", priority=20)
        # A guest that was stopped a moment ago restarts: each case that needs a start has a guest of its own.
        self.fresh = [define(f"start{number}", 256, 256, minimum="128MiB", priority=80) for number in range(7)]
        self.big = define("big", 1400, 1200, minimum="512MiB", priority=80)
        self.stranger = define("stranger", 300, managed=False)
        self.host.start_guests(self.web, self.batch)
        self.daemon.start()
        self.wait_active(self.web, self.batch)

    def recover(self):
        super().recover()
        self.configure()
        self.stop_all_but(self.web, self.batch)

    def stop_all_but(self, *stay):
        for guest in self.host.guests.values():
            if guest not in stay:
                virsh("destroy", guest.name, check=False)
        wait_until("the others are off", 15, lambda: all(
            seen["state"] == "off" for name, seen in self.daemon.guests().items()
            if name not in [guest.name for guest in stay]))

    def fill(self):
        """web and batch need nearly all there is."""
        for guest in (self.web, self.batch):
            guest.load(360)
        wait_until("hardly anything is free", 90, lambda: self.daemon.ctl("host")["free"] < 120 * MIB, 0.5)

    def fill_more(self):
        """Of a larger budget they leave less than ten guests of 128 MiB need, and can give what is missing of their buffers."""
        for guest in (self.web, self.batch):
            guest.load(380)
        for guest in (self.web, self.batch):
            guest.wait_held(380)
            self.wait_seen(guest, "has its buffer", 60, lambda it: it["status"] == "ok")

    def check_budget(self):
        host = self.daemon.ctl("host")
        check(host["committed"] <= host["budget"],
              f"{mib(host['committed'])} MiB are committed of {mib(host['budget'])}")

    def slow_down(self, guest, ended):
        """Lets a guest move in small steps only, but never so long not that it counts as hung."""
        def alternate():
            pid = guest.pid()
            while not ended.wait(0.15):
                os.kill(pid, signal.SIGSTOP)
                ended.wait(1.2)
                os.kill(pid, signal.SIGCONT)

        thread = threading.Thread(target=alternate, daemon=True)
        thread.start()
        return thread

    def disconnect(self):
        """libvirtd ends all connections of dynmemd."""
        admin = ["virt-admin", "-q", "-c", "libvirtd:///system"]
        for line in run([*admin, "client-list", "libvirtd"]).splitlines():
            number = (line.split() or [""])[0]
            if number.isdigit() and re.search(rf"process_id\s*:\s*{self.daemon.process.pid}$", run(
                    [*admin, "client-info", "libvirtd", number], check=False), re.MULTILINE):
                run([*admin, "client-disconnect", "libvirtd", number], check=False)

    # ---- the cases ----

    def ask_as_libvirt_does(self, guest, operation, suboperation, xml):
        """Runs the hook as libvirtd would. Returns the seconds it took."""
        begun = time.monotonic()
        subprocess.run([HOOK_PATH, guest.name, operation, suboperation, "-"], input=xml, stdout=subprocess.DEVNULL,
                       text=True, check=True)
        return time.monotonic() - begun

    def case_hook_costs_little_where_there_is_room(self):
        guest = self.fresh.pop()
        xml = virsh("dumpxml", guest.name)
        took = {"hook": [], "with": [], "without": []}
        for _ in range(8):
            took["hook"].append(self.ask_as_libvirt_does(guest, "prepare", "begin", xml))
            self.ask_as_libvirt_does(guest, "release", "end", xml)
        for hook in ("with", "without") * 4:
            if hook == "without":
                self.host.remove_hook()
            try:
                took[hook].append(Start(guest).expect())
            finally:
                virsh("destroy", guest.name)
                self.host.install_hook()
        best = {what: min(times) for what, times in took.items()}
        return (f"the hook is answered in {1000 * best['hook']:.0f} ms; virsh start takes {best['with']:.2f} s with it "
                f"and {best['without']:.2f} s without")

    def case_start_with_room_is_admitted(self):
        guest = self.fresh.pop()
        took = Start(guest).expect()
        guest.connect()
        seen = self.seen(guest)
        check(seen["state"] != "off", "dynmemd takes it for off")
        check(seen["committed"] >= 256 * MIB, f"it is booked with {mib(seen['committed'])} MiB")
        guest.wait_ready()
        self.wait_active(guest)
        self.stop_all_but(self.web, self.batch)
        return f"running {took:.2f} s after virsh start"


    def case_start_is_admitted_after_squeezing(self):
        self.fill()
        guest = self.fresh.pop()
        # A raise that is under way would hide what is given.
        before = self.wait_steady(60)
        free = mib(self.daemon.ctl("host")["free"])
        took = Start(guest).expect()
        after = self.daemon.guests()
        check(after["batch"]["assigned"] < before["batch"]["assigned"], "nobody gave anything")
        check(after["web"]["assigned"] >= after["batch"]["assigned"], "the one with the higher priority gave most")
        self.check_budget()
        self.stop_all_but(self.web, self.batch)
        return (f"running {took:.2f} s after virsh start: 256 MiB with {free} MiB free; batch went from "
                f"{mib(before['batch']['assigned'])} to {mib(after['batch']['assigned'])} MiB, web from "
                f"{mib(before['web']['assigned'])} to {mib(after['web']['assigned'])}")

    def case_everything_goes_on_while_a_hook_waits(self):
        self.fill()
        guest, ended = self.fresh.pop(), threading.Event()
        slow = self.slow_down(self.batch, ended)
        seen, calls, done = [], [], []
        try:
            start = Start(guest)
            wait_until("the hook waits", 5, lambda: hook_runs(guest) or start.done(), 0.02)
            log = Calls()
            ticks = self.daemon.ctl("host")["ticks"]

            def while_it_waits(what, act, condition):
                """Does something, and waits until dynmemd shows it. Counts only if the hook waits all the time."""
                begun = time.monotonic()
                act()
                wait_until(what, 10, condition, 0.1)
                lines = log.lines()
                if hook_runs(guest):
                    calls[:] = lines
                    done.append(f"{what} {time.monotonic() - begun:.1f} s")

            while_it_waits("web paused", lambda: virsh("suspend", "web"),
                           lambda: self.seen(self.web)["state"] == "suspended")
            while_it_waits("web resumed", lambda: virsh("resume", "web"),
                           lambda: self.seen(self.web)["state"] != "suspended")
            while_it_waits("web's settings changed", lambda: virsh(
                "metadata", "web", "--uri", "urn:dynmem:domain:1", "--key", "dynmem", "--live", "--set",
                "<memory minimum='128MiB' priority='61'/>"), lambda: self.seen(self.web)["priority"] == 61)
            while_it_waits("a guest defined", lambda: self.host.define("news", 128, managed=False),
                           lambda: "news" in self.daemon.guests())
            while_it_waits("web reset", lambda: virsh("reset", "web"),
                           lambda: self.seen(self.web)["state"] == "restarting")
            # Nobody may be listed at the new connection: those who are known are read one by one.
            connected = self.daemon.log().count("Connected to")
            while_it_waits("connected anew", self.disconnect, lambda: (
                self.daemon.log().count("Connected to") > connected
                and self.daemon.ctl("host")["link"] == "read-write"))
            ticks = self.daemon.ctl("host")["ticks"] - ticks
            self.web.wait_ready()
            started = start.end()
        finally:
            ended.set()
            slow.join()
            seen.append(self.state_text())
        check(len(done) == 6, f"the hook did not wait long enough: only {', '.join(done) or 'nothing'} was done")
        reads = [line for line in calls if line.startswith("virDomainMemoryStats:")]
        check(reads, "nobody was asked for a report meanwhile")
        for line in calls:
            check(not re.match(r"virConnect(ListAll|ListD|NumOfD|GetAllDomainStats)", line),
                  f"somebody walked all guests while the hook waited: {line}")
            check(f"name={guest.name}," not in line, f"somebody touched the starting guest: {line}")
        took = f"{'started' if started else 'refused'} after {start.took:.1f} s"
        self.stop_all_but(self.web, self.batch)
        return f"{took}; meanwhile {', '.join(done)}, {len(reads)} reports in {ticks} ticks"

    def case_start_that_cannot_fit_is_refused_with_figures(self):
        start = Start(self.big)
        check(not start.end(), "it was started")
        line = next((line for line in start.said.splitlines() if "dynmem:" in line), "")
        check(line, f"virsh said: {start.said}")
        said = line[line.index("dynmem:"):]
        for word in (" needs ", " free", "big", "GiB"):
            check(word in said, f"{word.strip()} is missing in: {said}")
        check(start.took < 30, f"the refusal took {start.took:.1f} s")
        seen = self.seen(self.big)
        check(seen["state"] == "off", f"it is {seen['state']}")
        wait_until("nothing is booked for it", 10, lambda: self.daemon.ctl("host")["startsAdmitted"] == 0)
        return f"after {start.took:.1f} s: {said}"

    def case_unmanaged_guest_is_never_refused(self):
        self.fill()
        took = Start(self.stranger).expect()
        wait_until("it is counted", 10, lambda: self.seen(self.stranger)["committed"] >= 300 * MIB)
        self.stop_all_but(self.web, self.batch)
        return f"running {took:.1f} s after virsh start"

    def case_killed_daemon_is_asked_again(self):
        self.fill()
        guest, ended = self.fresh.pop(), threading.Event()
        slow = self.slow_down(self.batch, ended)
        try:
            start = Start(guest)
            wait_until("the hook waits", 5, lambda: hook_runs(guest) or start.done(), 0.02)
            time.sleep(1)
            self.daemon.process.send_signal(signal.SIGKILL)
            self.daemon.process.wait()
            waited = hook_runs(guest)
            check(waited, "the hook had ended before dynmemd was killed")
            self.daemon.start()
            linked = time.monotonic()
            # The new one may list nobody while it is asked, and goes on with the guests that it knows by name.
            wait_until("it is connected", 10, lambda: self.daemon.ctl("host")["link"] == "read-write", 0.1)
            linked = time.monotonic() - linked
            waited = hook_runs(guest)
        finally:
            ended.set()
            slow.join()
        took = start.expect()
        wait_until("all guests are listed", 10, lambda: guest.name in self.daemon.guests())
        wait_until("the guest is known to run", 10, lambda: self.seen(guest)["state"] not in ("off", "reserved"))
        check({"web", "batch", "big", guest.name} <= set(self.daemon.guests()), "not all guests are known")
        self.check_budget()
        self.stop_all_but(self.web, self.batch)
        return (f"running {took:.1f} s after virsh start; connected {linked:.1f} s after the new dynmemd was there, "
                + ("while the hook waited" if waited else "when the hook had been answered"))

    def case_absent_daemon_does_as_configured(self):
        guest = self.fresh.pop()
        check(self.daemon.stop() == 0, "dynmemd did not end well")
        took = Start(guest).expect()
        virsh("destroy", guest.name)
        self.configure(absent="refuse")
        start = Start(guest)
        check(not start.end(), "it was started without dynmemd")
        check("dynmem: dynmemd does not run" in start.said, f"virsh said: {start.said}")
        self.configure()
        self.daemon.start()
        self.wait_active(self.web, self.batch)
        return f"allow: running after {took:.2f} s; refuse: {start.said[start.said.index('dynmem:'):]}"

    def case_ten_starts_at_once(self):
        # None below the guests that run: those who are may not take what these need, and can be refused.
        ten = [self.host.define(f"ten{number}", 128, minimum="96MiB", priority=50 + number * 5) for number in range(10)]
        self.configure(budget=2200, timeout=90)
        self.fill_more()
        starts = [Start(guest) for guest in ten]
        took = [start.took for start in starts if start.end(150)]
        # On a busy machine a QEMU may not answer for a moment, and what it has counts as not to be had.
        refused = [start for start in starts if start.process.returncode != 0]
        check(len(refused) <= 3 and all("dynmem:" in start.said for start in refused),
              "; ".join(start.said for start in refused))
        for start in refused:
            self.wait_active(self.web, self.batch)
            took.append(Start(start.guest).expect(150))
        self.check_budget()
        wait_until("all are known to run", 15, lambda: all(self.seen(guest)["state"] != "off" for guest in ten))
        self.stop_all_but(self.web, self.batch)
        again = f"; {len(refused)} had to be started again" if refused else ""
        return f"the first runs after {min(took):.1f} s, the last after {max(took):.1f} s{again}"


class Runs(Scene):
    """What a start is: of a guest that was off, stopped a moment ago, ran when the host went down, or was saved."""

    CONFIG = "[Host]\nBudget=1000MiB\n[Admission]\nTimeoutSec=25\n"
    STATE = "/run/lab/state/state"

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.has_hook = True

    def set_up(self):
        self.web, self.mail, self.auto, self.other = (
            self.host.define(name, 256, 200, minimum="128MiB") for name in ("web", "mail", "auto", "other"))
        self.host.start_guests(self.web)
        self.daemon.start()
        self.wait_active(self.web)

    def recover(self):
        super().recover()
        virsh("start", "web", check=False)

    def off(self, guest):
        virsh("destroy", guest.name)
        self.wait_seen(guest, "is off", 10, lambda it: it["state"] == "off")

    def started(self, guest):
        """Starts it. Returns what kind of restart dynmemd takes that for."""
        took = Start(guest).expect()
        seen = self.wait_seen(guest, "is known to start", 10,
                              lambda it: it["state"] in ("starting", "restarting") and it)
        return seen["restart"], f"{seen['state']} {took:.1f} s after virsh start"

    def case_start_of_a_guest_that_was_off_is_no_restart(self):
        kind, said = self.started(self.mail)
        check(kind == "none", f"it is taken for a restart: {kind}")
        return said

    def case_start_soon_after_a_stop_is_a_restart(self):
        self.off(self.web)
        kind, said = self.started(self.web)
        check(kind == "soon", f"it is taken for {kind}")
        return said

    def case_stop_is_known_to_the_next_daemon(self):
        self.off(self.web)
        time.sleep(0.5)
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.start()
        wait_until("it is connected", 15, lambda: self.daemon.ctl("host")["link"] == "read-write")
        kind, said = self.started(self.web)
        check(kind == "soon", f"it is taken for {kind}")
        return said

    def case_saved_guest_is_restored_and_does_not_boot(self):
        self.web.connect()
        self.wait_active(self.web)
        virsh("managedsave", "web")
        self.wait_seen(self.web, "is off", 10, lambda it: it["state"] == "off")
        took = Start(self.web).expect()
        self.web.connect()
        seen = self.wait_seen(self.web, "is known to run", 10, lambda it: it["state"] != "off" and it)
        check(seen["restart"] == "none", f"it is taken for a restart: {seen['restart']}")
        check(seen["state"] != "restarting", f"it is {seen['state']}")
        self.wait_active(self.web)
        return f"running {took:.1f} s after virsh start"

    def power_fails(self):
        """The host and all guests are gone at once, and the host is booted: as far as dynmemd can see."""
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        for guest in self.host.guests.values():
            virsh("destroy", guest.name, check=False)
        with open(self.STATE, encoding="utf-8") as file:
            text = file.read().partition("\n")[2]  # without its sum, as of an earlier version
        text, count = re.subn("^boot-id=.*$", "boot-id=the-one-before", text, flags=re.MULTILINE)
        check(count == 1, f"the state file has no boot-id: {text}")
        with open(self.STATE, "w", encoding="utf-8") as file:
            file.write(text)

    def case_first_start_after_the_host_went_down_is_a_restart(self):
        self.off(self.mail)
        self.power_fails()
        self.daemon.start()
        wait_until("it is connected", 15, lambda: self.daemon.ctl("host")["link"] == "read-write")
        kinds = {guest.name: self.started(guest)[0] for guest in (self.web, self.other)}
        check(kinds == {"web": "host", "other": "none"}, f"they are taken for {kinds}")
        self.off(self.web)
        self.off(self.other)
        time.sleep(0.2)
        return "web ran then: a restart; other did not"

    def case_autostart_is_answered_without_libvirt(self):
        """libvirtd starts guests before it listens. What is waited for is the hook."""
        for guest in (self.web, self.auto):
            virsh("autostart", guest.name)
        try:
            self.host.stop_libvirtd()
            wait_until("dynmemd says that libvirt is away", 15, lambda: self.daemon.ctl("host")["link"] == "down")
            os.unlink("/run/libvirt/qemu/autostarted")
            begun = time.monotonic()
            self.host.start_libvirtd()
            took = time.monotonic() - begun
            for guest in (self.web, self.auto):
                check(virsh("domstate", guest.name).strip() == "running", f"{guest.name} was not started")
            # Not as one that ran before it was seen: the hook has told of its start.
            seen = self.wait_seen(self.auto, "is seen running", 40,
                                  lambda it: it["state"] not in ("off", "reserved") and it)
            check(seen["state"] == "starting", f"it is {seen['state']}, by {seen['rule']}")
        finally:
            for guest in (self.web, self.auto):
                virsh("autostart", "--disable", guest.name)
        return f"libvirtd listens {took:.1f} s after its start, with two guests started"

    def case_guest_is_started_by_dm_ctl(self):
        self.off(self.auto)
        begun = time.monotonic()
        check(self.daemon.ctl_status("start", "auto") == 0, "dm-ctl start failed")
        took = time.monotonic() - begun
        check(virsh("domstate", "auto").strip() == "running", "it does not run")
        check(self.daemon.ctl_status("start", "auto") == 1, "dm-ctl started it twice")
        return f"in {took:.1f} s"



SCENES = (Starts, Runs)
