#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
usage: real.py [--rounds N] [--seed N] [--period SECONDS] [--fault NAME] BUILD PACKAGES

The whole of it: a real cluster of two hosts (nodes.py), each with a libvirtd, a dynmemd and guests that VirtualDomain starts and
migrates (real_host.py, real_guests.py). From dm-ctl cluster setup on: what guests need changes each round, so that one host is short of
memory, and a fault comes in between (real_faults.py). In the end the right guest has moved, or nobody; none has been lost or started
anew, no host has booked more than it has, and no wish is left. A round takes about four minutes; less with a build whose hosts
exchange their lines more often: meson setup -Dc_args=-DCLUSTER_PERIOD_SEC=3, and --period 3.

BUILD is the folder of a build, PACKAGES what corosync, pacemaker and others are unpacked below.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time

from nodes import State, start_cluster, wait, wait_cluster
from real_faults import FAULTS
from real_guests import LOADS, PACE, TAKES, configuration, make_guests, needs
from real_host import MIB, Machine

PLACES = {"web": "a", "mail": "a", "data": "b"}  # where guests are first
# What a host has for guests, and while they boot, in MiB.
BUDGET, PLENTY = 1000, 4096
# A host of more than so many percent is short of memory beyond doubt, one of less beyond doubt not; the right guest is the better by
# so many points.
SHORT, WELL, CLEAR = 105, 88, 12


class Play:
    """The cluster, its guests, and the round that is played."""

    def __init__(self, machines, guests, arguments):
        self.machines = {machine.name: machine for machine in machines}
        self.guests, self.period = {guest.name: guest for guest in guests}, arguments.period
        self.chance = random.Random(arguments.seed)
        self.source = self.target = self.right = None
        self.moves_freely = False
        self.places = {}
        self.over = 0  # longest time in which more was booked than there is
        self.over_since, self.looked = None, 0
        self.starts = None
        self.began = 0  # the round, by the clock of the day

    # ---- what is

    def cib(self):
        return State(self.machines["a"].node)

    def where(self):
        """Where each guest runs, by libvirt's word; None unless each runs once and both libvirtds answer."""
        running = {name: machine.running() for name, machine in self.machines.items()}
        if None in running.values():
            return None
        places = {name: [host for host in running if name in running[host]] for name in self.guests}
        return {name: found[0] for name, found in places.items()} if all(len(found) == 1 for found in places.values()) else None

    def look(self):
        """Notes, about once a second, what must not be for long."""
        now = time.monotonic()
        if now < self.looked + 1:
            return
        self.looked = now
        sound = [machine.sound() for machine in self.machines.values()]
        if not any(said and "has booked" in said for said in sound):
            self.over_since = None
            return
        self.over_since = self.over_since or now
        self.over = max(self.over, now - self.over_since)

    def count_starts(self):
        """How often the cluster has started guests."""
        count = 0
        for machine in self.machines.values():
            with open(os.path.join(machine.node.home, "pacemaker.log"), encoding="utf-8", errors="replace") as log:
                count += sum("Result of start operation for" in line and any(f" {name} " in line for name in self.guests) for line in log)
        return count

    # ---- what is to be

    def cost(self):
        """What a QEMU costs here, in MiB, on the whole."""
        hosts = [machine.ask("host") for machine in self.machines.values()]
        return sum(host["overhead"] for host in hosts) / MIB / len(self.guests)

    def pressures(self, places, loads, cost):
        """Of both hosts, in percent, with guests at these places. Budget= is for the guests alone."""
        found = {}
        for host in self.machines:
            here = [name for name in places if places[name] == host]
            found[host] = 100 * sum(needs(loads[name]) + cost for name in here) / (BUDGET + len(here) * cost)
        return found

    def after(self, loads, source, target, cost):
        """By guest of the source, the better first: how the worse of both is off when it has moved."""
        found = {name: max(self.pressures({**self.places, name: target}, loads, cost).values())
                 for name in self.guests if self.places[name] == source}
        return sorted((pressure, name) for name, pressure in found.items())

    def moves(self):
        """What both hosts say of the last moves."""
        return [move for machine in self.machines.values() for move in (machine.view() or {"moves": ()})["moves"]]

    def recent(self):
        """Guests that have moved, or could not be moved, less than their cooldown ago."""
        return {move["guest"] for move in self.moves() if time.time() - max(move["began"], move["ended"]) / 1e6 < 65}

    def may_move(self, right):
        """Guests that may have moved in this round: where the right one could not be, others of its host, and later itself."""
        failed = any(move["guest"] == right and move["began"] / 1e6 >= self.began and move["ended"] and not move["done"]
                     for move in self.moves())
        return {right} | {name for name in self.places if failed and self.machines[self.places[name]] is self.source}

    def draw(self):
        """Loads with which one host is short of memory, and one of its guests is beyond doubt the one to move."""
        cost, recent = self.cost(), self.recent()
        for _ in range(20000):
            loads = {name: self.chance.choice(LOADS) for name in self.guests}
            before = self.pressures(self.places, loads, cost)
            source, target = max(before, key=before.get), min(before, key=before.get)
            if before[source] < SHORT or before[target] > WELL:
                continue
            order = self.after(loads, source, target, cost)
            after, best = order[0]
            room = BUDGET - sum(needs(loads[name]) for name in self.guests if self.places[name] == target)
            if best not in recent and room >= needs(loads[best]) + cost and after < WELL and after < before[source] - 10 - CLEAR \
                    and all(pressure - after >= CLEAR for pressure, _ in order[1:]):
                return loads, source, target, best
        return None

    # ---- a round

    def play(self, fault):
        """Returns a row of the table."""
        loads, source, target, right = wait(self.draw, f"a guest may move of {self.places}", 120, 10)
        self.source, self.target, self.right = self.machines[source], self.machines[target], self.guests[right]
        self.moves_freely, self.over, self.over_since = False, 0, None
        began, self.began = time.monotonic(), time.time()
        self.push(loads)
        wait(lambda: (self.source.view() or {"pressure": 0})["pressure"] >= 100, f"{source} is short of memory", 240)
        pressed = time.monotonic()
        did = FAULTS[fault](self)
        blocked = self.mend()
        relieved = self.settle(pressed)
        if relieved is None:
            # it has stayed short, for no fault of anybody's
            self.push({name: LOADS[0] for name in self.guests})
        row = {"fault": fault, "did": did, "right": f"{right} {source}>{target}", "relieved": relieved, "blocked": blocked,
               "over": self.over}
        row["moved"] = self.check(right, fault)
        row["took"] = time.monotonic() - began
        return row

    def push(self, loads):
        """Has programs need that much."""
        for pace in (TAKES, PACE):
            for name, guest in self.guests.items():
                guest.load = loads[name]
                wait(lambda name=name, guest=guest, pace=pace: guest.push(self.machines[self.places[name]], pace),
                     f"{name} is told to need {guest.load} MiB")
            time.sleep(max(loads.values()) / TAKES)

    def mend(self):
        """What an administrator does about guests that the cluster has left as they were, once they are on one host alone. Returns their
        names."""
        blocked = self.cib().blocked & set(self.guests)
        for name in blocked:
            if not any(machine.migrating(name) for machine in self.machines.values()):
                self.source.node.run("crm_resource", "--refresh", "--resource", name)
        return " ".join(sorted(blocked))

    def settle(self, pressed):
        """Until nobody is short of memory and nothing goes on. Returns the seconds until the first; None: somebody still is."""
        end = time.monotonic() + 180 + 30 * self.period
        relieved = quiet = None
        mended = time.monotonic()
        while time.monotonic() < end:
            self.look()
            views = [machine.view() for machine in self.machines.values()]
            if None not in views:
                if max(view["pressure"] for view in views) < 100:
                    relieved = relieved or time.monotonic() - pressed
                elif relieved and any(view["phase"] == "idle" for view in views):
                    relieved = None
                idle = all(view["phase"] == "idle" for view in views)
                quiet = (quiet or time.monotonic()) if idle else None
                if relieved and quiet and time.monotonic() - quiet > 2 * self.period:
                    return relieved
            if time.monotonic() > mended + self.period:
                self.mend()
                mended = time.monotonic()
            time.sleep(1)
        return relieved

    def check(self, right, fault):
        """What must hold after each round. Returns who has moved."""
        places = wait(self.where, f"each guest runs once ({fault})", 120)
        wait(lambda: not self.cib().wishes, f"no wish is left ({fault})", 60)
        wait(lambda: {name: self.cib().places.get(name) for name in places} == places,
             f"the cluster has guests where they are ({fault}): {places}, {self.cib().places}", 60)
        wait(lambda: all(machine.sound() == "" for machine in self.machines.values()), f"ledgers are sound ({fault}): "
             f"{[machine.sound() for machine in self.machines.values()]}", 60)
        for name, guest in self.guests.items():
            here = self.machines[places[name]]
            work = wait(lambda guest=guest, here=here: guest.read(here), f"{name} can be read")
            end = time.monotonic() + 30
            while work == guest.work and time.monotonic() < end:
                time.sleep(1)
                work = guest.read(here)
            assert work > guest.work, (f"{name} was started anew, or stands still: {guest.work}, {work} ({fault}); "
                                       f"{here.virsh('qemu-monitor-command', name, '--hmp', 'info status')}")
            guest.work = work
        assert self.count_starts() == self.starts, f"the cluster has started a guest ({fault})"
        moved = sorted(name for name in places if places[name] != self.places[name])
        assert self.moves_freely or set(moved) <= self.may_move(right), f"{moved} moved instead of {right} ({fault})"
        assert fault != "nothing" or moved == [right], f"{right} has not moved"
        self.places = places
        return " ".join(moved)


def set_up(nodes, arguments, place):
    machines = [Machine(node, PLENTY, 2 * arguments.period) for node in nodes]
    shared = os.path.join(place, "shared")
    os.mkdir(shared)
    guests = make_guests(shared, arguments.build, PLACES)
    a = nodes[0]
    wait_cluster(a, 300)
    step("two hosts are a cluster")
    a.run("cibadmin", "--modify", "--allow-create", "--xml-text", configuration(guests))
    play = Play(machines, guests, arguments)
    play.places = wait(play.where, "all guests run", 300)
    assert play.places == {guest.name: guest.first for guest in guests}, play.places
    play.push({guest.name: LOADS[0] for guest in guests})
    for guest in guests:
        guest.work = wait(lambda guest=guest: guest.read(play.machines[guest.first]), f"{guest.name} works")
    for machine in machines:
        machine.set_budget(BUDGET)
    step(f"{len(guests)} guests run")
    wait(lambda: all(State(a).places[guest.name] == guest.first for guest in guests), "the cluster knows", 300)
    play.starts = play.count_starts()
    print(a.run("dm-ctl", "cluster", "setup", "--apply"))
    if arguments.period != 10:
        a.run("cibadmin", "--modify", "--xml-text", f'<op id="dynmem-monitor-interval-10s" interval="{arguments.period}s"/>')
    wait(lambda: all(machine.view() for machine in machines), "both hosts take part", 300)
    assert play.where() == play.places and play.count_starts() == play.starts, "setup has moved or started a guest"
    step(f"setup has been applied, and nobody was moved or started; a QEMU costs {play.cost():.0f} MiB")
    return play


def step(text):
    print(f"  {time.monotonic() - BEGAN:5.0f} s  {text}", flush=True)


def show(number, row):
    relieved = "-" if row["relieved"] is None else f"{row['relieved']:.0f}"
    print(f"  {number:4}  {row['fault']:18} {row['did']:34} {row['right']:10} {row['moved'] or '-':10} {relieved:>5} {row['over']:5.0f} "
          f"{row['took']:5.0f}  {row['blocked'] or '-'}", flush=True)


def play_rounds(play, arguments, rows):
    names = list(FAULTS) if not arguments.fault else [arguments.fault]
    print(f"  {'':4}  {'fault':18} {'what, when':34} {'right':10} {'moved':10} {'relief':>5} {'over':>5} {'took':>5}  blocked")
    order = []
    for number in range(1, arguments.rounds + 1):
        if not order:
            order = names[:1] + play.chance.sample(names[1:], len(names) - 1)
        rows.append(play.play(order.pop(0)))
        show(number, rows[-1])


def tell(rows):
    """The table's sums."""
    for fault in FAULTS:
        mine = [row for row in rows if row["fault"] == fault]
        if mine:
            relieved = [row["relieved"] for row in mine if row["relieved"] is not None]
            seconds = f", relief after {statistics.median(relieved):.0f} s ({min(relieved):.0f} to {max(relieved):.0f})" if relieved else ""
            print(f"  {fault:18} {len(mine):3} rounds, {sum(bool(row['moved']) for row in mine):3} with a move, "
                  f"{sum(bool(row['blocked']) for row in mine):3} blocked{seconds}")


def save(nodes):
    """What is gone when the hosts are."""
    for node in nodes:
        for folder in ("var/log/libvirt/qemu", "var/lib/pacemaker/pengine"):
            shutil.copytree(f"{node.root}/{folder}", os.path.join(node.home, os.path.basename(folder)), dirs_exist_ok=True)
        with open(os.path.join(node.home, "state"), "w", encoding="utf-8") as file:
            for words in (("crm_mon", "-1r"), ("cibadmin", "--query"), ("dm-ctl", "cluster", "status"), ("dm-ctl", "list"), ("dm-ctl", "host"),
                          ("virsh", "list", "--all"), ("attrd_updater", "-QA", "-n", "dynmem-line")):
                file.write(f"--- {' '.join(words)}\n{node.run(*words, check=False)}\n")


def parse():
    parser = argparse.ArgumentParser(usage=__doc__.strip().split("\n", maxsplit=1)[0].removeprefix("usage: "))
    parser.add_argument("--rounds", type=int, default=len(FAULTS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--period", type=int, default=10, help="how often hosts of this build exchange their lines, in seconds")
    parser.add_argument("--fault", choices=list(FAULTS), help="no other")
    for name in ("build", "packages"):
        parser.add_argument(name, type=os.path.abspath)
    return parser.parse_args()


def main():
    arguments = parse()
    if os.geteuid() != 0:
        raise SystemExit("skip: root is a privilege that is needed")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    print(f"  seed {arguments.seed}", flush=True)
    place = tempfile.mkdtemp(prefix="dynmem-real-")
    nodes, rows = [], []
    good = False
    try:
        nodes = start_cluster(place, arguments.build, arguments.packages, two_node=False)
        play_rounds(set_up(nodes, arguments, place), arguments, rows)
        good = True
    except AssertionError as error:
        print(f"FAIL round {len(rows) + 1}, seed {arguments.seed}: {error}; logs are below {place}")
        save(nodes)
    finally:
        tell(rows)
        for node in nodes:
            node.close()
        if good:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{len(rows)} passed, {int(not good)} failed, 0 skipped")
    return 0 if good else 1


BEGAN = time.monotonic()
if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
