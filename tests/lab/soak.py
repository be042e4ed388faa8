# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A soak: whatever may happen to a host and to its guests does happen, at random, for as long as one likes. Every second the
daemon's own figures are compared with what is really so: what QEMUs have touched, how large their balloons are by QEMU's own
word, who runs. Each orderly end of the daemon is the verdict of the sanitizers that it was built with, and in the end, when nothing
happens any more, all must be well.

What must never be:

- a guest that has touched, or whose balloon leaves it, more than is booked for it;
- a target outside of the guest's limits, but for a minimum that was raised on a full host; a booking below what it has or was
  told;
- a target that is raised while more is committed than the budget;
- figures of one moment that do not add up;
- for longer than a moment, a guest that runs and is called off, or the other way round, or one whose size is another than is said;
- a daemon that ends by itself, stands still, or has leaked something in the end: memory, or files that it keeps open.

What nobody can know in time has an excuse, for some seconds: what a balloon that somebody else moves leaves a guest.
"""

import collections
import os
import random
import re
import signal
import subprocess
import threading
import time
from uuid import uuid4

from cases import Lie, check, mib
from host import MIB, PATIENCE, LabError, virsh, wait_until
from ledger import LedgerScene
from matrix import Events
from truth import SLACK_MIB, Truth
from watcher import SHARING, Watcher

GUESTS, MAXIMUM, STARTUP, MINIMUM = 5, 384, 200, 128
# Between all their minimums and all they may have.
BUDGETS = (900, 1100, 1300, 1600)
BUDGET = 1100
# What becomes of a guest, and of the host: how often, in parts.
TO_GUESTS = {"loaded": 60, "settings_changed": 12, "guest_paused": 4, "guest_reset": 5, "rebooted": 5, "balloon_moved": 6,
             "guest_destroyed_and_started": 4, "guest_saved_and_restored": 4, "guest_reverted": 2, "guest_redefined": 3,
             "guest_undefined_while_it_runs": 2, "driver_unloaded": 3, "qemu_stopped": 2, "qemu_killed": 2, "powered_off": 4}
TO_HOST = {"dynmemd_ended": 6, "dynmemd_killed": 3, "dynmemd_stopped": 2, "budget_changed": 6, "libvirtd_restarted": 3,
           "libvirtd_killed": 2, "libvirtd_stopped": 2, "bus_gone": 1}
GUEST_PAUSE, HOST_PAUSE = (0.5, 8), (10, 40)
# For so many seconds after these a guest may have more than is booked, or a size that it was not told: the next report tells it.
EXCUSED = {"balloon_moved": 20, "driver_unloaded": 10, "guest_reverted": 10, "settings_changed": 3, "guest_redefined": 5,
           "guest_undefined_while_it_runs": 5}
# What keeps a QEMU from answering others.
BUSY = ("qemu_stopped", "guest_saved_and_restored", "guest_reverted")
# What becomes of a guest while nobody hears of it is not known for so long.
UNHEARD = 30
UNHEARD_DEEDS = ("rebooted", "driver_unloaded", "guest_reset")
# So long may dynmemd be of another opinion on who runs, or on a size that stands still, and be without a tick, in seconds.
LAG = 5 * PATIENCE
FILES_MOST = 120
MARKS = ("Sanitizer", "runtime error", "CRITICAL")


class Life(threading.Thread, Events):
    """What becomes of one guest."""

    def __init__(self, scene, guest, seed):
        threading.Thread.__init__(self, daemon=True)
        Events.__init__(self, scene, guest)
        self.random = random.Random(f"{seed} {guest.name}")
        self.lost = False  # its console, by something that went wrong

    def run(self):
        while not self.scene.ended.wait(self.random.uniform(*GUEST_PAUSE)):
            try:
                self.bring_up()
                self.scene.does(self, self.random.choices(list(TO_GUESTS), TO_GUESTS.values())[0])
            except (LabError, OSError, ValueError, subprocess.TimeoutExpired):
                continue  # it was refused, or something else happened meanwhile: what holds is judged elsewhere

    def bring_up(self):
        """Whatever has become of it, it runs."""
        state = virsh("domstate", self.guest.name, check=False).strip()
        if state == "running" and self.lost:
            self.guest.connect()
        self.lost = False
        if not state:
            if self.scene.host.libvirtd.poll() is None:
                virsh("define", self.guest.file, check=False)
        elif state == "paused":
            virsh("resume", self.guest.name, check=False)
        elif state == "shut off":
            saved = "yes" in virsh("dominfo", self.guest.name).split("Managed save:")[1].split("\n")[0]
            virsh("start", self.guest.name)
            self.guest.connect()
            if not saved:
                self.guest.wait_ready()

    def loaded(self):
        self.guest.load(self.random.randrange(0, MAXIMUM * 3 // 4))

    def settings_changed(self):
        name, value = self.random.choice((("priority", self.random.randrange(101)), ("buffer", self.random.randrange(60)),
                                          ("minimum", f"{self.random.randrange(MINIMUM, 160)}MiB")))
        self.scene.daemon.ctl_status("set", self.guest.name, f"{name}={value}")

    def balloon_moved(self):
        virsh("setmem", self.guest.name, f"{self.random.randrange(160, MAXIMUM + 1)}MiB", "--live")

    def rebooted(self):
        self.guest.say("reboot")
        self.guest.wait_ready()

    def powered_off(self):
        self.guest.say("poweroff")
        wait_until(f"{self.guest.name} is off", 20, lambda: virsh("domstate", self.guest.name).strip() == "shut off")


class HostLife(Events):
    """What becomes of the host."""

    def __init__(self, scene, seed):
        super().__init__(scene, None)
        self.random = random.Random(f"{seed} host")

    def dynmemd_ended(self):
        self.scene.end_daemon()

    def budget_changed(self):
        self.scene.daemon.configure(self.scene.CONFIG.replace("[Host]\n", f"[Host]\nBudget={self.random.choice(BUDGETS)}MiB\n"))
        self.scene.daemon.process.send_signal(signal.SIGHUP)

    def once(self):
        self.scene.away = True
        try:
            self.scene.does(self, self.random.choices(list(TO_HOST), TO_HOST.values())[0])
        finally:
            self.scene.away = False
        self.scene.bring_up()


class Inspector(Watcher):
    """Looks each second at what the daemon says and at what QEMUs have touched, and from a thread of its own, which libvirt may
    hold up, at what libvirt and the QEMUs say."""

    def __init__(self, scene):
        super().__init__(scene.daemon, 1)
        self.scene = scene
        self.truth = Truth(scene.host, scene.daemon)
        self.excuses, self.differs, self.still = {}, {}, {}
        self.larger = set()  # whose balloons left more than was booked when libvirt was asked last
        self.guests = {}     # what the daemon said of them last
        self.before = None   # ... and of the host, both of one tick
        self.highest = {}    # the most that was booked for a guest since libvirt was asked
        self.counts = collections.Counter()
        self.asker = threading.Thread(target=self.ask, daemon=True)

    def start(self):
        super().start()
        self.asker.start()

    def stop(self):
        super().stop()
        self.asker.join()

    def ask(self):
        while not self.ended.wait(self.every):
            try:
                self.sample_libvirt()
            except (LabError, OSError, ValueError, subprocess.TimeoutExpired):
                continue

    def note(self, text):
        super().note(f"{text}; last: {', '.join(f'{when - self.start_time:.0f} {what}' for when, what in list(self.scene.recent))}")
        print(f"  {self.problems[-1]}", flush=True)

    def excuse(self, name, seconds):
        self.excuses[name] = max(self.excuses.get(name, 0), time.monotonic() + seconds)

    def excused(self, name):
        return time.monotonic() < self.excuses.get(name, 0)

    def sample(self):
        earlier = self.dynmemd.ctl("host")
        before = self.truth.touched()
        guests = self.dynmemd.guests()
        after = self.truth.touched()
        host = self.dynmemd.ctl("host")
        if not guests or host["ticks"] == 0:
            return
        self.samples += 1
        self.guests = guests
        self.check_ticks(host, time.monotonic())
        if host == earlier:  # no tick came between
            self.check_raises(host, guests)
        if self.samples % 5 == 0:
            self.check_sums(host)
        for name, guest in guests.items():
            self.highest[name] = max(self.highest.get(name, 0), guest["committed"])
            if not self.excused(name):
                self.check_guest(guest)
            if name in before and name in after and name not in self.truth.unjudged:
                # it may come or go between the looks
                self.check_held(guest, guest["committed"] / MIB, min(before[name], after[name]), SLACK_MIB, "touched")

    def sample_libvirt(self):
        """The balloons as libvirt has heard of them, and as their QEMUs say it now, but for those that answer nobody."""
        earlier, larger = self.guests, set()
        self.highest = {name: guest["committed"] for name, guest in earlier.items()}
        commands = [f"dominfo {name}" + ("" if name in self.scene.busy else f"; qemu-monitor-command {name} --hmp info balloon")
                    for name in self.scene.host.guests]
        said = virsh("; ".join(commands), check=False, timeout=20)
        guests = self.dynmemd.guests()
        parts = [dict(re.findall(r"^(Name|State|Used memory|balloon): +(?:actual=)?(\S+)", part, re.MULTILINE))
                 for part in said.split("Id:")[1:]]
        now = time.monotonic()
        self.libvirt_samples += 1
        for part in parts:
            name, runs = part.get("Name"), part.get("State") in ("running", "paused")
            if name not in guests or name not in earlier:
                continue
            self.check_runs(guests[name], runs, now)
            if runs and not self.excused(name):
                self.check_size(guests[name], int(part["Used memory"]) * 1024)
            # what has just been started has touched nothing yet: that is looked at
            if runs and "balloon" in part and guests[name]["state"] not in ("off", "reserved"):
                # libvirt may have taken its time, and the guest has been started meanwhile, or had more between two looks
                most = max(self.highest.get(name, 0), guests[name]["committed"]) / MIB
                if int(part["balloon"]) > most + 1:
                    larger.add(name)
                if name in self.larger or name not in larger:
                    self.check_held(guests[name], most, int(part["balloon"]), 1, "a balloon of")
                self.check_still(guests[name], int(part["balloon"]), now)
            else:
                self.still.pop(name, None)  # what it has next is another matter
        self.larger = larger

    def check_guest(self, guest):
        # a minimum that was raised while the host was full is met when memory comes free
        super().check_guest(dict(guest, minimum=min(guest["minimum"], MINIMUM)))

    def check_size(self, guest, actual):
        super().check_size(dict(guest, minimum=min(guest["minimum"], MINIMUM)), actual)

    def check_ticks(self, host, now):
        ticks, since = self.still.get("ticks", (None, now))
        if host["ticks"] != ticks or self.scene.away:
            self.still["ticks"] = host["ticks"], now
        elif now - since > LAG:
            self.note(f"no tick for {now - since:.0f} s")

    def check_sums(self, host):
        guests = self.dynmemd.guests()
        if self.dynmemd.ctl("host") != host:
            return  # a tick came between
        self.counts["sums"] += 1
        committed = sum(guest["committed"] for guest in guests.values())
        # a start may be booked whose guest is not known yet
        if not 0 <= host["committed"] - committed <= host["reserved"]:
            self.note(f"{mib(host['committed'])} MiB are committed, of the guests {mib(committed)}")
        if host["free"] != max(0, host["budget"] - host["committed"]) or host["overBudget"] != (host["committed"] > host["budget"]):
            self.note(f"{mib(host['free'])} MiB are free of {mib(host['budget'])} with {mib(host['committed'])} committed")

    def check_raises(self, host, guests):
        """While more is committed than the budget nobody is told more. Between two looks it may have been less, for a moment,
        where the budget was another, somebody else's booking has risen since, or somebody went and came again."""
        before, self.before = self.before, (host, guests)
        if before is None or not (before[0]["overBudget"] and host["overBudget"]) or host["ticks"] < before[0]["ticks"] \
                or host["budget"] != before[0]["budget"]:
            return
        self.counts["over budget"] += 1
        both = [(before[1][name], guest) for name, guest in guests.items() if name in before[1]]
        risen = [now["name"] for was, now in both if now["committed"] > was["committed"]
                 or (was["state"], was["ground"]) != (now["state"], now["ground"])]
        for was, now in both:
            if all(look["state"] in SHARING and look["ground"] == "balloon" for look in (was, now)) \
                    and now["target"] > was["committed"] + MIB and set(risen) <= {now["name"]} and not self.excused(now["name"]):
                self.note(f"{now['name']} is told {mib(now['target'])} MiB after {mib(was['target'])}, rule {now['rule']}, while "
                          f"{mib(host['committed'])} MiB are committed of {mib(host['budget'])} after {mib(before[0]['committed'])}: "
                          + ", ".join(f"{guest['name']} {mib(was['committed'])} to {mib(guest['committed'])}" for was, guest in both))

    def check_held(self, guest, booked, size, slack, what):
        if self.excused(guest["name"]) or self.truth.was_reset(guest["name"], time.monotonic()):
            self.counts["excused"] += 1
            return
        self.counts[what] += 1
        if size > booked + slack:
            self.note(f"{guest['name']}, {guest['state']}, has {what} {size:.0f} MiB and is booked at {booked:.0f}")

    def differs_for(self, what, differs, now):
        """For how long something has been otherwise than is said. What was not looked at for a while may have been so meanwhile."""
        since, last = self.differs.pop(what, (now, now))
        if not differs or self.scene.away:
            return 0
        self.differs[what] = (since if now - last < LAG / 2 else now), now
        return now - self.differs[what][0]

    def check_still(self, guest, size, now):
        name = guest["name"]
        last, since = self.still.get(name, (None, now))
        if size != last:
            self.still[name] = size, now
        elif guest["state"] in SHARING and now - since > LAG:
            self.counts["still"] += 1
            if self.differs_for((name, "size"), abs(guest["assigned"] / MIB - size) > 1, now) > LAG:
                self.note(f"{name} has {size} MiB for {now - since:.0f} s, and is said to have {mib(guest['assigned'])}")

    def check_runs(self, guest, runs, now):
        self.counts["runs"] += 1
        if self.differs_for((guest["name"], "runs"), runs == (guest["state"] in ("off", "reserved")), now) > LAG:
            self.note(f"{guest['name']} {'runs' if runs else 'does not run'} and is called {guest['state']}")


class Soak(LedgerScene):
    """One host, one case."""

    CONFIG = "[Host]\n[Admission]\nTimeoutSec=25\n"
    BUDGET = BUDGET
    SEED = 1
    SECONDS = 1800

    def __init__(self, images, build):
        super().__init__(images, build)
        self.host.has_hook = True
        self.host.nice = 10  # who looks each second can't wait for guests that are emulated
        self.ended = threading.Event()
        self.away = False
        self.busy = set()
        self.recent = collections.deque(maxlen=12)  # when what began
        self.done, self.in_vain = collections.Counter(), collections.Counter()
        self.ends, self.most_files, self.most_resident = 0, 0, 0
        self.lock = threading.Lock()
        self.inspector = None

    def set_up(self):
        check_leaks_show(f"{self.host.build}/src/dynmemd")
        for number in range(GUESTS):
            self.host.define(f"guest{number}", MAXIMUM, STARTUP, minimum=f"{MINIMUM}MiB", priority=20 * number, uuid=str(uuid4()),
                             snapshots=True)
        self.daemon.start()
        for guest in self.host.guests.values():
            self.host.start_guests(guest)
        self.wait_active(*self.host.guests.values())
        self.inspector = Inspector(self)
        self.truth = self.inspector.truth

    def does(self, life, deed):
        """Lets something happen. Counts it, and excuses the guest for what can't be known of it."""
        guest = life.guest
        failed = True
        if not guest:
            self.excuse_unheard()
        self.recent.append((time.monotonic(), f"{guest.name if guest else 'host'} {deed}"))
        seconds = UNHEARD if self.away and deed in UNHEARD_DEEDS else EXCUSED.get(deed, 0)
        try:
            if guest and seconds:
                self.inspector.excuse(guest.name, 90 * PATIENCE)
            if deed in BUSY:
                self.busy.add(guest.name)
            getattr(life, deed)()
            failed = False
            with self.lock:
                self.done[deed] += 1
        except (LabError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            with self.lock:
                self.in_vain[deed] += 1
            print(f"  in vain: {guest.name if guest else 'host'} {deed}: {str(error)[:200]}", flush=True)
        finally:
            if guest:
                self.busy.discard(guest.name)
                life.lost = life.lost or failed
                if seconds:
                    self.inspector.excuses[guest.name] = time.monotonic() + seconds

    def excuse_unheard(self):
        """The host's turn has come: of what has just begun nobody may hear."""
        for when, what in list(self.recent):
            name, deed = what.split()
            if deed in UNHEARD_DEEDS and time.monotonic() - when < UNHEARD:
                self.inspector.excuse(name, UNHEARD)

    def bring_up(self):
        if self.host.libvirtd.poll() is not None:
            self.host.start_libvirtd()
        if self.daemon.process.poll() is not None:
            self.daemon.start()

    def end_daemon(self):
        """Orderly: memory that nobody has any more makes its exit status another than 0."""
        process = f"/proc/{self.daemon.process.pid}"
        files = len(os.listdir(f"{process}/fd"))
        self.most_files = max(self.most_files, files)
        with open(f"{process}/statm", encoding="utf-8") as statm:
            self.most_resident = max(self.most_resident, int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") / MIB)
        status = self.daemon.stop(seconds=60 * PATIENCE)
        self.ends += 1
        if status != 0 or files > FILES_MOST:
            self.inspector.note(f"dynmemd ended with {status}, with {files} files open")

    def case_nothing_breaks_it(self):
        lives = [Life(self, guest, self.SEED) for guest in self.host.guests.values()]
        host = HostLife(self, self.SEED)
        begun = time.monotonic()
        for thread in (self.inspector, *lives):
            thread.start()
        while (left := begun + self.SECONDS - time.monotonic()) > 0:
            time.sleep(min(left, host.random.uniform(*HOST_PAUSE)))
            if self.daemon.process.poll() is not None:
                self.inspector.note(f"dynmemd has ended by itself, with {self.daemon.process.returncode}")
                self.daemon.start()
            host.once()
            print(f"  {time.monotonic() - begun:.0f} s, {self.inspector.samples} looks, {len(self.inspector.problems)} problems", flush=True)
        self.ended.set()
        for life in lives:
            life.join()
        said = self.end_well(lives)
        self.inspector.stop()
        self.end_daemon()
        self.check_logs()
        print(self.table(time.monotonic() - begun), flush=True)
        if self.inspector.problems:
            raise Lie(f"{len(self.inspector.problems)} problems, first: " + "; ".join(self.inspector.problems[:5]))
        return f"{said}; seed {self.SEED}"

    def end_well(self, lives):
        """Nothing happens any more, and all have what they need."""
        self.set_budget(GUESTS * STARTUP + 500)
        for life in lives:
            for _ in range(5):
                try:
                    life.bring_up()
                    life.guest.load(20)
                    break
                except (LabError, OSError):
                    virsh("destroy", life.guest.name, check=False)
        return self.wait_well({guest: "active" for guest in self.host.guests}, 120)

    def check_logs(self):
        for name in ("dynmemd.log", "libvirtd.log"):  # what hooks say goes to libvirtd's
            with open(f"/run/lab/{name}", encoding="utf-8", errors="replace") as log:
                for line in log:
                    if any(mark in line for mark in MARKS):
                        self.inspector.note(f"{name}: {line.strip()}")

    def table(self, seconds):
        counts = self.inspector.counts
        lines = [f"{seconds:.0f} s, {self.inspector.samples} looks at dynmemd, {self.inspector.libvirt_samples} at libvirt and the QEMUs, "
                 f"{len(self.inspector.problems)} problems",
                 f"{self.ends} orderly ends of dynmemd, at most {self.most_files} files open and {self.most_resident:.0f} MiB",
                 "compared: " + ", ".join(f"{counts[what]} {what}" for what in sorted(counts))]
        lines += [f"{deed:32} {self.done[deed]:5} done {self.in_vain[deed]:4} in vain" for deed in (*TO_GUESTS, *TO_HOST)]
        return "".join(f"  {line}\n" for line in lines + self.inspector.problems[:40])


def check_leaks_show(daemon):
    """A verdict is worth something only where a leak is seen at all: by this machine, and by what the daemon was built with."""
    libraries = subprocess.run(["ldd", daemon], stdout=subprocess.PIPE, text=True, check=True).stdout
    check("asan" in libraries, f"{daemon} was built without the address sanitizer")
    program = "/run/lab/leaks"
    subprocess.run(["cc", "-fsanitize=address", "-x", "c", "-o", program, "-"], check=True, text=True,
                   input="#include <stdlib.h>\nint main(void) { return malloc(100) == 0; }\n")
    check(subprocess.run([program], stderr=subprocess.DEVNULL).returncode != 0, "a leak is not seen here")


SCENES = (Soak,)
