# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The demo's four scenes with programs that push (guest/push.c): they take what they need whether there is memory or not, and
count the work that they get done. So what is seen is what programs of users suffer, and for how long.

The same scenes are played with other managers in dynmem's place: the rules of two that people run, written down anew from
what they do, and equal shares that nobody ever changes. They are told a host of which four fifths are the guests', since both
keep a fifth free.
"""

import re
import threading
import time

from cases import Scene, check
from host import PATIENCE, LabError, virsh

BUDGET = 800
MAXIMUM, STARTUP, IDLE = 512, 200, 20
# MiB a second that each program writes to.
PACE = 60
# name, minimum, buffer, priority
CAST = (("shop", 128, 30, 80), ("mail", 128, 20, 50), ("batch", 96, 5, 10))
# title, needs, seconds it is given at least, who is to be met in the end
SCENES_PLAYED = (
    ("growing", {"mail": 300}, 25, ("mail",)),
    ("an exchange", {"mail": IDLE, "shop": 350}, 40, ("shop",)),
    ("a shortage", {"shop": 400, "mail": 400, "batch": 400}, 40, ()),
    ("its end", {"shop": IDLE, "mail": IDLE}, 40, ("batch",)),
)


class Manager(threading.Thread):
    """Another manager: looks at all guests each second, and tells them sizes every ten."""

    EVERY = 10
    TOTAL = BUDGET * 5 / 4

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host = host
        self.ended = threading.Event()
        self.looks = []

    def start(self):
        for name in self.host.guests:
            virsh("dommemstat", name, "--period", "1", "--live")
        super().start()

    def stop(self):
        self.ended.set()
        self.join()

    def run(self):
        while not self.ended.wait(1):
            try:
                self.looks.append({name: self.look(name) for name in self.host.guests})
                if len(self.looks) == self.EVERY:
                    self.decide(self.looks)
                    self.looks = []
            except (LabError, KeyError, OSError, ValueError):
                self.looks = []

    @staticmethod
    def look(name):
        """In MiB: what it has, what of that is usable."""
        figures = dict(re.findall(r"(\w+) (\d+)", virsh("dommemstat", name)))
        return {"has": int(figures["actual"]) / 1024, "usable": int(figures["usable"]) / 1024}

    def decide(self, looks):
        raise NotImplementedError

    def tell(self, name, size):
        minimum = next(entry[1] for entry in CAST if entry[0] == name)
        virsh("setmem", name, f"{int(min(max(size, minimum), MAXIMUM))}MiB", "--live")


class Shares(Manager):
    """Equal shares."""

    def decide(self, looks):
        for name in looks[-1]:
            self.tell(name, BUDGET / len(looks[-1]))


class Mom(Manager):
    """With a fifth of the host free guests grow in steps of five percent, with less they shrink in such steps."""

    def decide(self, looks):
        free = sum(self.TOTAL - sum(guest["has"] for guest in look.values()) for look in looks) / len(looks) / self.TOTAL
        for name, guest in looks[-1].items():
            has = guest["has"]
            used = sum(look[name]["has"] - look[name]["usable"] for look in looks) / len(looks)
            shrinks = free < 0.2
            part = free - 0.05 if free <= 0.05 else free
            wish = max(used + (part if shrinks else 0.2) * has, has * (0.95 if shrinks else 1.05))
            if (wish <= has if shrinks else has < MAXIMUM) and abs(wish - has) > 0.0025 * has:
                self.tell(name, wish)


class Proxmox(Manager):
    """The host is to be used at four fifths; who is nearly out of memory grows first and shrinks last."""

    def decide(self, looks):
        guests = looks[-1]
        goal = BUDGET - sum(guest["has"] for guest in guests.values())
        if abs(goal) < 10:
            return
        low = {name: minimum for name, minimum, _, _ in CAST}
        first = [name for name, guest in guests.items() if (guest["usable"] <= low[name] / 4) == (goal > 0)]
        if not (first and self.round(guests, goal, first, low)):
            self.round(guests, goal, list(guests), low)

    def round(self, guests, goal, chosen, low):
        weights = {name: priority + 1 for name, _, _, priority in CAST}
        pool = goal + sum(guests[name]["has"] - low[name] for name in chosen)
        changed = False
        for name in chosen:
            has = guests[name]["has"]
            wish = low[name] + max(0, pool) * weights[name] / sum(weights[other] for other in chosen)
            wish = min(max(min(max(wish, low[name]), MAXIMUM), has - 100), has + 100)
            changed = changed or abs(wish - has) > 1
            self.tell(name, wish)
        return changed


class Pushing(Scene):
    """One host on which the scenes are played."""

    CONFIG = f"[Host]\nBudget={BUDGET}MiB\n"
    MANAGER = None  # dynmemd

    def __init__(self, images, build):
        super().__init__(images, build)
        self.manager = None
        self.needs = {name: IDLE for name, _, _, _ in CAST}
        self.lines = []

    def set_up(self):
        for name, minimum, buffer, priority in CAST:
            self.host.define(name, MAXIMUM, STARTUP, minimum=f"{minimum}MiB", buffer=buffer, priority=priority)
        self.host.start_guests(*self.host.guests.values())
        for guest in self.host.guests.values():
            guest.say(f"push {IDLE} {PACE}")
        if self.MANAGER:
            self.manager = self.MANAGER(self.host)
            self.manager.start()
            time.sleep(self.manager.EVERY + 2)
        else:
            self.daemon.start()
            self.wait_active(*self.host.guests.values())

    def recover(self):
        pass

    def look(self, done):
        """Of each guest what its program holds and has done."""
        for name, guest in self.host.guests.items():
            said = {key: int(value) for key, value in (word.split("=") for word in guest.say("pushed").split())}
            done.setdefault(name, []).append((time.monotonic(), said["held"], said["work"]))

    @staticmethod
    def pace(looks, seconds=3):
        """What it did in the last seconds, in MiB a second."""
        last = looks[-1]
        first = next(look for look in looks if last[0] - look[0] <= seconds)
        return (last[2] - first[2]) / (last[0] - first[0]) if last[0] - first[0] > seconds / 2 else 0

    def play(self, title, needs, seconds, met):
        self.needs.update(needs)
        begun = time.monotonic()
        for name, need in needs.items():
            self.host.guests[name].say(f"push {need} {PACE}")
        done, took = {}, None
        while time.monotonic() - begun < seconds * (PATIENCE if met and took is None else 1):
            self.look(done)
            if took is None and all(done[name][-1][1] >= self.needs[name] and self.pace(done[name]) >= 0.9 * PACE
                                    for name in met or self.needs):
                took = time.monotonic() - begun
            if took is not None and time.monotonic() - begun >= seconds:
                break
            time.sleep(0.3)
        work = {name: looks[-1][2] - looks[0][2] for name, looks in done.items()}
        lasted = time.monotonic() - begun
        could = PACE * lasted * len(work)
        self.lines.append(f"{title}: {'met after %.1f s' % took if took else 'not met'}, "
                          f"{100 * sum(work.values()) / could:.0f} % of the work in {lasted:.0f} s")
        return took

    def play_all(self):
        for scene in SCENES_PLAYED:
            took = self.play(*scene)
            check(took is not None or self.MANAGER or not scene[3], "; ".join(self.lines))
        return "; ".join(self.lines)

    def case_programs_that_push_get_what_there_is(self):
        return self.play_all()


class PushingShares(Pushing):
    MANAGER = Shares

    def case_equal_shares(self):
        return self.play_all()


class PushingMom(Pushing):
    MANAGER = Mom

    def case_rules_of_mom(self):
        return self.play_all()


class PushingProxmox(Pushing):
    MANAGER = Proxmox

    def case_rules_of_proxmox(self):
        return self.play_all()


SCENES = (Pushing,)
OTHERS = (PushingShares, PushingMom, PushingProxmox)
