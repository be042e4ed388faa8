# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What goes wrong in a round of real.py. A fault is told the round, waits for its moment, happens, and is mended again; it returns what
it did in a few words. What it spoilt for long an administrator's command mends, as the manual says.
"""

import os
import signal
import time

from nodes import ADDRESSES, State, wait, wait_cluster
from real_guests import SLOW, SPEED

# When it happens: the phase of a motion (src/cluster), "moves" while QEMU sends, "now" before any of it.
MOMENTS = ("now", "offers", "books", "wishes", "moves", "moves", "comes")

def come(play, moments=MOMENTS, seconds=90):
    """Waits for a moment, and a little longer. Returns its name, or that it did not come."""
    moment = play.chance.choice(moments)
    end = time.monotonic() + seconds
    while moment != "now" and not is_there(play, moment):
        play.look()
        if time.monotonic() > end:
            return f"no {moment}"
        time.sleep(0.5)
    time.sleep(play.chance.uniform(0, play.period / 2))
    return moment


def is_there(play, moment):
    if moment == "moves":
        return play.source.migrating(play.right.name)
    view = (play.source if moment == "offers" else play.target).view()
    return view is not None and view["phase"] == moment


def side(play):
    """One of both hosts, and what it is to this motion."""
    machine = play.chance.choice((play.source, play.target))
    return machine, "source" if machine is play.source else "target"


def pause(play, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        play.look()
        time.sleep(1)


def nothing(_):
    return ""


def daemon_killed(play):
    moment = come(play)
    machine, what = side(play)
    away = play.chance.choice((0, 1, 2, 6)) * play.period
    machine.kill_daemon()
    pause(play, away)
    machine.start_daemon()
    return f"{what}, {moment}, for {away} s"


def daemon_hangs(play):
    moment = come(play)
    machine, what = side(play)
    machine.daemon.signal(signal.SIGSTOP)
    pause(play, 35)
    machine.daemon.signal(signal.SIGCONT)
    return f"{what}, {moment}"


def agent_fails(play):
    """Its program does, each time."""
    moment = come(play)
    machine, what = side(play)
    program = machine.root + "/usr/bin/dm-ctl"
    away = play.chance.choice((2, 6)) * play.period
    os.rename(program, program + ".away")
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexit 1\n")
    os.chmod(program, 0o755)
    pause(play, away)
    os.rename(program + ".away", program)
    return f"{what}, {moment}, for {away} s"


def pacemaker_stopped(play):
    """Its guests go to the other host meanwhile, live. Not while one is just coming there, which Pacemaker would start anew: it has that on
    both hosts between the end of its migration and the moment at which it is confirmed."""
    moment = come(play, [moment for moment in MOMENTS if moment not in ("moves", "comes", "wishes")])
    machine, what = side(play)
    if machine is play.target:
        wait(lambda: not play.source.migrating(play.right.name) and not any(place == "" for place in play.cib().places.values()),
             "no guest is on its way", 120)
    machine.node.pacemaker.signal(signal.SIGTERM)
    began = time.monotonic()
    while machine.node.pacemaker.poll() is None:
        play.look()
        assert time.monotonic() - began < 300, f"Pacemaker of {machine.name} does not end"
        time.sleep(0.5)
    took = time.monotonic() - began
    machine.node.start_pacemaker()
    wait_cluster(machine.node)
    play.moves_freely = True
    return f"{what}, {moment}, ended after {took:.0f} s"


def cut_off(play):
    """Each host's packets go to an address that the other one has not."""
    moment = come(play)
    away = play.chance.choice((4, 8, 30))
    for machine in (play.source, play.target):
        other = ADDRESSES["b" if machine.name == "a" else "a"]
        machine.node.run("ip", "neigh", "replace", other, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
    pause(play, away)
    for machine in (play.source, play.target):
        machine.node.run("ip", "neigh", "del", ADDRESSES["b" if machine.name == "a" else "a"], "dev", "eth0")
    wait_cluster(play.source.node, 120)
    wait_cluster(play.target.node, 120)
    return f"{moment}, for {away} s"


def libvirtd_killed(play):
    moment = come(play)
    machine, what = side(play)
    away = play.chance.choice((1, 4))
    machine.kill_libvirtd()
    time.sleep(away)
    machine.start_libvirtd()
    return f"{what}, {moment}, for {away} s"


def slow_down(play):
    """Its migration does not come to an end from now on. Returns whether it goes on."""
    moment = come(play, ("moves",))
    play.source.virsh("migrate-setspeed", play.right.name, str(SLOW))
    return moment


def speed_up(play):
    play.source.virsh("migrate-setspeed", play.right.name, str(16 * SPEED))


def writes_fast(play):
    """The guest that moves writes to more memory than can be sent, for a while."""
    moment = slow_down(play)
    pause(play, 20)
    there = play.source.migrating(play.right.name)
    speed_up(play)
    return f"{moment}, {'on its way' if there else 'not any more'} after 20 s"


def called_off(play):
    """Likewise, and somebody ends its migration."""
    moment = slow_down(play)
    pause(play, 5)
    done = play.source.virsh("domjobabort", play.right.name) is not None
    return f"{moment}, {'called off' if done else 'too late'}"


def takes_too_long(play):
    """Likewise, and the cluster gives up."""
    set_timeout(play, "20s")
    moment = slow_down(play)
    end = time.monotonic() + 60
    while moment == "moves" and play.right.name not in State(play.source.node).blocked and time.monotonic() < end:
        pause(play, 3)
    set_timeout(play, "600s")
    speed_up(play)  # libvirt goes on with what the cluster has given up
    return moment


def set_timeout(play, seconds):
    """Of its migration. The id is the one that dm-ctl cluster setup has given it."""
    play.source.node.run("cibadmin", "--modify", "--xml-text", f'<op id="{play.right.name}-migrate_to-interval-0s" timeout="{seconds}"/>')


FAULTS = {fault.__name__.replace("_", " "): fault for fault in (
    nothing, daemon_killed, daemon_hangs, agent_fails, pacemaker_stopped, cut_off, libvirtd_killed, writes_fast, called_off,
    takes_too_long)}
