#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A real cluster of two hosts, each in namespaces of its own: corosync, Pacemaker, ocf:dynmem:host and dm-ctl, with resources that only
pretend to be guests (ocf:pacemaker:Dummy) and a stand-in for each dynmemd. What is asked: setup from a bare cluster on, that the
guest which is wished for moves live and no other, and what is left of a daemon that dies. It takes a minute or two.

Usage: pair.py BUILD PACKAGES: the folder of a build, and the one that corosync, pacemaker, pacemaker-cli-utils,
pacemaker-resource-agents, resource-agents and their libraries are unpacked below.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from nodes import ROOT, State, start_cluster, wait, wait_cluster

BUILD, PACKAGES = (os.path.abspath(word) for word in sys.argv[1:3])
UUID = "11111111-2222-3333-4444-555555555555"
SUMS = "1 beat={beat} level=automatic budget=8388608 besides=0 want=4194304 free=2097152 reclaimable=1048576 stars=4 "
IDLE = SUMS + "phase=idle"
MOTION = SUMS + f"phase={{phase}} partner=a guest={UUID} resource=slow maximum=4194304 brings=1048576 wants=1048576 overhead=65536"
# guests as an administrator has them before dynmem; slow takes its time for everything, migrating too
BARE = """<configuration><crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="p" name="stonith-enabled"
value="false"/></cluster_property_set></crm_config><resources><primitive id="slow" class="ocf" provider="pacemaker" type="Dummy">
<instance_attributes id="si"><nvpair id="si1" name="op_sleep" value="{sleep}"/></instance_attributes></primitive>
<primitive id="quick" class="ocf" provider="pacemaker" type="Dummy"/></resources></configuration>"""
SLEEP = 8


class Daemon:
    """The stand-in for the dynmemd of a host."""

    def __init__(self, host):
        self.process = subprocess.Popen(
            host.words(os.path.join(BUILD, "tests/bus/test_ctl_fake"), os.path.join(ROOT, "data/org.dynmem1.xml"), "Withdraw", "()",
                       "Exchange", f"('{IDLE.format(beat=1)}', uint32 40, '', uint32 0)"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ok\n"

    def answer(self, line, wish=""):
        self.process.stdin.write(f"answer\tExchange\t('{line}', uint32 40, '{wish}', uint32 {250 if wish else 0})\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"

    def hears(self):
        """What the agent has told it of all hosts."""
        self.process.stdin.write("last\tExchange\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert self.process.stdout.readline() == "ok\n"
        return said

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def stops(host):
    """How often guests were stopped without having been sent away, and started."""
    text = open(os.path.join(host.home, "pacemaker.log"), encoding="utf-8", errors="replace").read()
    return text.count("Result of start operation for slow") + text.count("Result of start operation for quick")


def step(text):
    print(f"  {time.monotonic() - BEGAN:5.1f} s  {text}", flush=True)


def is_degraded(host):
    return any(status == "OCF_DEGRADED" for _, _, status in State(host).failures)


def case(a, b):
    daemons = {host.name: Daemon(host) for host in (a, b)}
    wait_cluster(a)
    step("two hosts are a cluster")
    a.run("cibadmin", "--modify", "--allow-create", "--xml-text", BARE.format(sleep=SLEEP))
    wait(lambda: all(State(a).places.get(name) for name in ("slow", "quick")), "both guests run")
    if State(a).places["slow"] != "a":
        a.run("crm_resource", "--move", "--resource", "slow", "--node", "a")
        wait(lambda: State(a).places.get("slow") == "a", "slow runs on a")
        a.run("crm_resource", "--clear", "--resource", "slow")
    wait(lambda: "S_IDLE" in a.run("crmadmin", "-S", "a") + a.run("crmadmin", "-S", "b"), "a quiet cluster")
    before, begun = State(a).places, stops(a) + stops(b)
    a.run("dm-ctl", "cluster", "setup", "--agent=ocf:pacemaker:Dummy", "--apply")
    wait(lambda: "dynmem-room" in State(a).attributes["b"], "what b publishes")
    for host in (a, b):
        # by now it has had the time: each monitor tells it
        wait(lambda host=host: all(f"('{name}', '1 beat=" in daemons[host.name].hears() for name in "ab"), f"{host.name} hears of both")
        lines = host.run("attrd_updater", "-QA", "-n", "dynmem-line")
        assert 'host="a"' in lines and 'host="b"' in lines, lines
    assert State(a).places["slow"] == before["slow"] and State(a).places["quick"] == before["quick"]
    assert stops(a) + stops(b) == begun, "setup has started a guest"
    assert "Nothing is to be changed" in a.run("dm-ctl", "cluster", "setup", "--agent=ocf:pacemaker:Dummy")
    step("setup has been applied, and nothing was moved, stopped or started")

    daemons["b"].answer(MOTION.format(beat=2, phase="wishes"), "slow")
    wait(lambda: State(a).places.get("slow") != "a", "slow is on its way")
    daemons["b"].stop()
    step("slow is on its way, and the daemon that wished for it is dead")
    wait(lambda: is_degraded(a) or State(a).places.get("slow") == "b", "the agent notices, or the guest is there")
    wait(lambda: State(a).places.get("slow") == "b", "slow runs on b")
    wait(lambda: not State(a).attributes["b"].keys() & {"dynmem-move-slow", "dynmem-room"},
         "what the dead daemon has published is gone")
    wait(lambda: is_degraded(a), "a daemon that is gone is shown")
    assert 'host="b" value=""' in a.run("attrd_updater", "-QA", "-n", "dynmem-line")
    places = State(a).places
    assert (places["slow"], places["quick"]) == ("b", before["quick"]), places
    assert stops(a) + stops(b) == begun, "a guest was started cold"
    step("it has arrived live, nothing of the daemon is left, and no guest was stopped")

    daemons["b"] = Daemon(b)
    wait(lambda: "dynmem-room" in State(a).attributes["b"], "the new daemon takes part")
    a.run("crm_resource", "--resource", "dynmem-clone", "--meta", "--set-parameter", "target-role", "--parameter-value", "Stopped")
    wait(lambda: not any(name.startswith("dynmem") for name in State(a).attributes["b"]), "a stopped agent leaves nothing")
    assert State(a).places["slow"] == "b" and stops(a) + stops(b) == begun
    step("the agent is stopped, and nothing is left of it")


def main():
    if os.geteuid() != 0:
        raise SystemExit("skip: root is a privilege that is needed")
    place = tempfile.mkdtemp(prefix="dynmem-pair-")
    hosts = []
    good = False
    try:
        hosts = start_cluster(place, BUILD, PACKAGES)
        case(*hosts)
        good = True
    except AssertionError as error:
        print(f"FAIL {error}; logs are below {place}")
    finally:
        for host in hosts:
            host.close()
        if good:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{int(good)} passed, {int(not good)} failed, 0 skipped")
    return 0 if good else 1


BEGAN = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
