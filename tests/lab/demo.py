# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The show behind tools/demo, which installs, builds and then calls this with the build folder. The outer side makes
a sandbox and waits; inside it three guests compete for a small budget while their loads change.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import sandbox
from host import MIB, Daemon, Host, LabError, kvm_usable, wait_until
from watcher import Watcher

CONFIG = "[Host]\nBudget=800MiB\n"
# name, what it plays, metadata
CAST = (
    ("shop", "a shop's web server", {"minimum": "128MiB", "buffer": 30, "priority": 80}),
    ("mail", "a mail server", {"minimum": "128MiB", "buffer": 20, "priority": 50}),
    ("batch", "a batch machine", {"minimum": "96MiB", "buffer": 5, "priority": 10}),
)
MAXIMUM, STARTUP, IDLE = 512, 200, 20


class NotAsItShould(Exception):
    """The memory did not move as it should."""


def say(text=""):
    print(text, flush=True)


# ---- inside ----


class Show:
    """The host with its guests, and the scenes that are played on it."""

    def __init__(self, build):
        self.build = build
        images = os.path.join(build, "lab-guest")
        self.accel = "kvm" if kvm_usable(images) else "tcg"
        self.host = Host(images, build, self.accel)
        self.daemon = Daemon(self.host, CONFIG)
        self.top = None
        self.watcher = Watcher(self.daemon)

    def set_up(self):
        say("starting a bus and a libvirtd, apart from those of this machine")
        self.host.start()
        how = "with KVM" if self.accel == "kvm" else "by software emulation (there is no usable KVM here)"
        say(f"booting three guests of at most {MAXIMUM} MiB {how}:")
        guests = []
        for name, role, settings in CAST:
            guests.append(self.host.define(name, MAXIMUM, STARTUP, **settings))
            say(f"  {name:6} {role:20} minimum {settings['minimum']}, buffer {settings['buffer']} %, priority "
                f"{settings['priority']}")
        self.host.start_guests(*guests)
        say("starting dynmemd with Budget=800MiB: too little for all three at once")
        self.daemon.start()
        for guest in guests:
            wait_until(f"{guest.name} is active", 60, lambda name=guest.name: self.is_active(name), 0.2)
        self.watcher.start()

    def is_active(self, name):
        guest = self.daemon.guests().get(name)
        return guest is not None and guest["state"] == "active"

    def seen(self, name):
        return self.daemon.guests()[name]

    def load(self, **loads):
        for name, mib in loads.items():
            self.host.guests[name].load(mib)

    def start_top(self):
        # On a terminal it takes the whole screen, else it prints lines.
        options = [] if sys.stdout.isatty() else ["--interval", "3"]
        self.top = subprocess.Popen([f"{self.build}/src/ctl/dm-ctl", "top", *options],
                                    stdin=None if sys.stdin.isatty() else subprocess.DEVNULL)

    def end_top(self):
        if self.top and self.top.poll() is None:
            self.top.send_signal(signal.SIGINT)
            try:
                self.top.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.top.kill()
                self.top.wait()
        self.top = None

    def scene(self, title, words, loads, expectation, seconds, condition):
        """Says what will happen, changes the loads, shows it, and says what was seen. condition() returns the words
        for that as soon as it is so."""
        say()
        say(f"── {title}")
        say(words)
        time.sleep(4 if sys.stdout.isatty() else 0)
        self.load(**loads)
        self.start_top()
        start = time.monotonic()
        try:
            seen = wait_until(expectation, seconds, condition, 0.3)
            took = time.monotonic() - start
            # Stay a little with the picture that was reached.
            time.sleep(3)
        except LabError as error:
            raise NotAsItShould(f"{error}: " + self.figures()) from error
        finally:
            self.end_top()
        say(f"=> {seen}, {took:.0f} s after the loads changed.")

    def figures(self):
        return ", ".join(f"{guest['name']} has {guest['assigned'] // MIB} of {guest['want'] // MIB} MiB wanted "
                         f"({guest['state']}: {guest['reason']})" for guest in self.daemon.guests().values())

    def play(self):
        self.scene(
            "1. One guest grows",
            "mail gets work: its programs need 300 MiB more. The others idle, so their spare memory can go to it.",
            {"mail": 300}, "mail has the memory it needs", 45, self.mail_has_grown)
        self.scene(
            "2. It goes idle, and another one grows",
            "mail has done its work. Now shop needs 350 MiB more, which only what mail no longer needs can give.",
            {"mail": IDLE, "shop": 350}, "mail's memory has gone to shop", 60, self.shop_has_grown)
        self.scene(
            "3. All of them want more than there is",
            "All three need 400 MiB more: 1200 MiB on a host of 800. Each keeps its minimum; the rest is shared by\n"
            "priority, and nobody's buffer comes before another one's need.",
            {"shop": 400, "mail": 400, "batch": 400}, "the shortage is shared by priority", 100,
            self.shortage_is_shared)
        self.scene(
            "4. The shortage is over",
            "shop and mail go idle. What they give back reaches batch, the guest with the lowest priority.",
            {"shop": IDLE, "mail": IDLE}, "batch has the memory it needs", 75, self.batch_has_grown)

    def has_grown(self, name, need):
        """Whether its programs hold what they were told to, and it has its demand. Returns what it has, in MiB."""
        guest = self.seen(name)
        if (self.host.guests[name].held() >= need and guest["status"] in ("ok", "low")
                and guest["assigned"] >= need * MIB):
            return guest["assigned"] // MIB
        return 0

    def mail_has_grown(self):
        mib = self.has_grown("mail", 300)
        return mib and f"mail has {mib} MiB, as much as it needs"

    def shop_has_grown(self):
        mib = self.has_grown("shop", 350)
        mail = self.seen("mail")["assigned"] // MIB
        return mib and mail < 300 and f"shop has {mib} MiB, as much as it needs, and mail went down to {mail} MiB"

    def shortage_is_shared(self):
        guests = self.daemon.guests()
        shares = {}
        for name, guest in guests.items():
            if guest["want"] <= guest["target"] or abs(guest["assigned"] - guest["target"]) > 2 * MIB:
                return None
            shares[name] = (guest["target"] - guest["minimum"]) / (guest["priority"] + 1)
        if max(shares.values()) > 1.05 * min(shares.values()):
            return None
        return "above their minimums they share it as 81 : 51 : 11, their priorities plus one: " + ", ".join(
            f"{name} {guests[name]['assigned'] // MIB} MiB" for name, _, _ in CAST)

    def batch_has_grown(self):
        mib = self.has_grown("batch", 400)
        return mib and f"batch has {mib} MiB, as much as it needs"

    def check_host(self):
        problems = self.watcher.stop()
        if problems:
            raise NotAsItShould("a limit was broken: " + problems[0])
        say()
        say(f"In {self.watcher.samples} looks at it since the start, never was more than the budget promised to the\n"
            "guests, and none was ever outside its minimum and maximum.")


def show_how_to_play(directory, build):
    bus = f"unix:path={directory}/run/dbus/system_bus_socket"
    uri = f"qemu+unix:///system?socket={directory}/run/libvirt/libvirt-sock"
    say(f"""
It goes on running. To play with it:

  export DBUS_SYSTEM_BUS_ADDRESS={bus}
  export LIBVIRT_DEFAULT_URI='{uri}'
  alias dm-ctl={build}/src/ctl/dm-ctl

  dm-ctl top
  dm-ctl explain shop
  tools/demo --load batch 100       let a guest's programs need another amount of memory
  virsh reset shop                  see how a guest is booked until its balloon driver is back
  virsh metadata mail --uri urn:dynmem:domain:1 --key dynmem --live --set '<memory minimum="64MiB" priority="100"/>'
  less {directory}/run/lab/dynmemd.log

  tools/demo --end                  end it and remove all of it
""")


def inside(build, directory, keep):
    show = Show(build)
    try:
        show.set_up()
        show.play()
        show.check_host()
    except (NotAsItShould, LabError) as error:
        show.end_top()
        say()
        say(f"This is not as it should be: {error}")
        try:
            say("The end of dynmemd's log:\n" + "\n".join(show.daemon.log().splitlines()[-15:]))
        except OSError:
            pass
        return 1
    except KeyboardInterrupt:
        show.end_top()
        return 130
    if keep:
        show_how_to_play(directory, build)
        for guest in show.host.guests.values():
            guest.socket.close()
        with open(os.path.join(directory, "kept"), "w", encoding="utf-8"):
            pass
        # From here on nobody at the terminal is meant to end it by accident.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            signal.pause()
    return 0


# ---- outside ----


def state_file(build):
    return os.path.join(build, "running.json")


def kept_sandbox(build):
    """The sandbox of a demo that was kept, or None."""
    try:
        with open(state_file(build), encoding="utf-8") as file:
            return sandbox.Sandbox.from_state(json.load(file))
    except FileNotFoundError:
        return None


def end_kept(build):
    place = kept_sandbox(build)
    if not place:
        say("tools/demo: no demo is running; tools/demo --keep starts one")
        return 1
    place.close()
    os.unlink(state_file(build))
    say("the demo has ended and is removed")
    return 0


def load_kept(build, name, mib):
    place = kept_sandbox(build)
    if not place:
        say("tools/demo: no demo is running; tools/demo --keep starts one")
        return 1
    names = [entry[0] for entry in CAST]
    if name not in names or not mib.isdigit():
        say(f"usage: tools/demo --load GUEST MIB, where GUEST is one of {', '.join(names)}")
        return 2
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(os.path.join(place.directory, "run", "lab", f"{name}.sock"))
        console.settimeout(20)
        console.sendall(f"load {mib}\n".encode())
        # it comes in pieces
        with console.makefile("rb") as answers:
            answer = answers.readline().decode(errors="replace").strip()
    say(f"{name} needs {mib} MiB now" if answer.startswith("ok") else f"{name} answered: {answer}")
    return 0


def outside(build, keep):
    if kept_sandbox(build):
        say("tools/demo: a demo is running already; tools/demo --end ends it")
        return 1
    start = time.monotonic()
    try:
        place = sandbox.Sandbox("dynmem-demo")
    except sandbox.Unprivileged as reason:
        say(f"tools/demo: {reason}")
        return 1
    kept = os.path.join(place.directory, "kept")
    left = False
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    signal.signal(signal.SIGHUP, lambda number, frame: sys.exit(128 + number))
    try:
        command = [sys.executable, os.path.abspath(__file__), build, "--inside", place.directory]
        process = place.start(command + (["--keep"] if keep else []), survive=keep)
        while process.poll() is None and not os.path.exists(kept):
            time.sleep(0.1)
        if process.poll() is None:
            with open(state_file(build), "w", encoding="utf-8") as file:
                json.dump(place.state(), file)
            left = True
            return 0
        if process.returncode == 0:
            say(f"The show took {time.monotonic() - start:.0f} s.")
        return process.returncode
    except sandbox.Unprivileged as reason:
        say(f"tools/demo: {reason}")
        return 1
    finally:
        if not left:
            place.close()


def main(arguments):
    build = os.path.abspath(arguments[0])
    rest = arguments[1:]
    if rest[:1] == ["--inside"]:
        return inside(build, rest[1], "--keep" in rest)
    if rest[:1] == ["--end"]:
        return end_kept(build)
    if rest[:1] == ["--load"]:
        return load_kept(build, *(rest[1:] + ["", ""])[:2])
    return outside(build, "--keep" in rest)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
