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
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD, PACKAGES = (os.path.abspath(word) for word in sys.argv[1:3])
UUID = "11111111-2222-3333-4444-555555555555"
SUMS = "1 beat={beat} level=automatic budget=8388608 want=4194304 free=2097152 reclaimable=1048576 stars=4 "
IDLE = SUMS + "phase=idle"
MOTION = SUMS + f"phase={{phase}} partner=a guest={UUID} resource=slow maximum=4194304 brings=1048576 wants=1048576 overhead=65536"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><policy context="default"><allow send_destination="*"/>
<allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>"""
# guests as an administrator has them before dynmem; slow takes its time for everything, migrating too
BARE = """<configuration><crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="p" name="stonith-enabled"
value="false"/></cluster_property_set></crm_config><resources><primitive id="slow" class="ocf" provider="pacemaker" type="Dummy">
<instance_attributes id="si"><nvpair id="si1" name="op_sleep" value="{sleep}"/></instance_attributes></primitive>
<primitive id="quick" class="ocf" provider="pacemaker" type="Dummy"/></resources></configuration>"""
SLEEP = 8


class Host:
    def __init__(self, place, name, address):
        self.name, self.home = name, os.path.join(place, name)
        os.mkdir(self.home)
        self.fake = None
        self.process = subprocess.Popen(
            ["unshare", "-m", "-n", "-p", "-i", "-u", "-f", "--kill-child", "bash", os.path.join(ROOT, "tests/cluster/node.sh"),
             place, PACKAGES, name, address, os.path.join(BUILD, "data/host"), os.path.join(BUILD, "src/ctl/dm-ctl")],
            stdin=subprocess.DEVNULL)
        wait(lambda: os.path.exists(os.path.join(self.home, "ready")) or self.process.poll() is not None, f"host {name}")
        if self.process.poll() is not None:
            raise SystemExit("skip: namespaces and overlays need a privilege that is not here")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            self.inside = file.read().split()[0]

    def words(self, *words):
        return ["nsenter", "-t", self.inside, "-m", "-n", "-p", "-i", "-u", "env", "PCMK_logfile=none",
                f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={self.home}/bus", *words]

    def run(self, *words, check=True):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start_bus(self):
        with open(os.path.join(self.home, "bus.conf"), "w", encoding="utf-8") as file:
            file.write(BUS.format(path=os.path.join(self.home, "bus")))
        subprocess.Popen(self.words("dbus-daemon", f"--config-file={self.home}/bus.conf", "--nofork", "--nopidfile"))
        wait(lambda: os.path.exists(os.path.join(self.home, "bus")), "a bus")

    def start_daemon(self):
        self.fake = subprocess.Popen(
            self.words(os.path.join(BUILD, "tests/bus/test_ctl_fake"), os.path.join(ROOT, "data/org.dynmem1.xml"), "Withdraw", "()",
                       "Exchange", f"('{IDLE.format(beat=1)}', uint32 40, '', uint32 0)"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.fake.stdout.readline() == "ok\n"

    def answer(self, line, wish=""):
        self.fake.stdin.write(f"answer\tExchange\t('{line}', uint32 40, '{wish}', uint32 {250 if wish else 0})\n")
        self.fake.stdin.flush()
        assert self.fake.stdout.readline() == "ok\n"

    def stop_daemon(self):
        self.fake.stdin.close()
        self.fake.wait(30)
        self.fake.stdout.close()


def wait(happened, what, seconds=90):
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.3)


def state(host):
    """Where each guest runs ("" while it moves or stops), all operations that were done to them, attributes of b, failures."""
    cib = ElementTree.fromstring(host.run("cibadmin", "--query"))
    shown = ElementTree.fromstring(host.run("crm_mon", "-1", "--output-as=xml"))
    places = {}
    for resource in shown.iter("resource"):
        nodes = [node.get("name") for node in resource.iter("node")]
        places[resource.get("id")] = nodes[0] if len(nodes) == 1 and resource.get("role") == "Started" else ""
    attributes = {pair.get("name") for pair in cib.findall(".//node_state[@uname='b']/transient_attributes//nvpair") if pair.get("value")}
    failures = {failure.get("exitstatus") for failure in shown.iter("failure")}
    return places, attributes, failures


def stops(host):
    """How often guests were stopped without having been sent away, and started."""
    text = open(os.path.join(host.home, "pacemaker.log"), encoding="utf-8", errors="replace").read()
    return text.count("Result of start operation for slow") + text.count("Result of start operation for quick")


def step(text):
    print(f"  {time.monotonic() - BEGAN:5.1f} s  {text}", flush=True)


def case(a, b):
    wait(lambda: "2 nodes configured" in a.run("crm_mon", "-1", check=False) and "Online: [ a b ]" in a.run("crm_mon", "-1", check=False),
         "a cluster of two")
    step("two hosts are a cluster")
    a.run("cibadmin", "--modify", "--allow-create", "--xml-text", BARE.format(sleep=SLEEP))
    wait(lambda: all(state(a)[0].get(name) for name in ("slow", "quick")), "both guests run")
    if state(a)[0]["slow"] != "a":
        a.run("crm_resource", "--move", "--resource", "slow", "--node", "a")
        wait(lambda: state(a)[0].get("slow") == "a", "slow runs on a")
        a.run("crm_resource", "--clear", "--resource", "slow")
    wait(lambda: "S_IDLE" in a.run("crmadmin", "-S", "a") + a.run("crmadmin", "-S", "b"), "a quiet cluster")
    before, begun = state(a)[0], stops(a) + stops(b)
    a.run("dm-ctl", "cluster", "setup", "--agent=ocf:pacemaker:Dummy", "--apply")
    wait(lambda: "dynmem-room" in state(a)[1], "what b publishes")
    for host in (a, b):
        lines = host.run("attrd_updater", "-QA", "-n", "dynmem-line")
        assert 'host="a"' in lines and 'host="b"' in lines, lines
    assert state(a)[0]["slow"] == before["slow"] and state(a)[0]["quick"] == before["quick"]
    assert stops(a) + stops(b) == begun, "setup has started a guest"
    assert "Nothing is to be changed" in a.run("dm-ctl", "cluster", "setup", "--agent=ocf:pacemaker:Dummy")
    step("setup has been applied, and nothing was moved, stopped or started")

    b.answer(MOTION.format(beat=2, phase="wishes"), "slow")
    wait(lambda: state(a)[0].get("slow") != "a", "slow is on its way")
    b.stop_daemon()
    step("slow is on its way, and the daemon that wished for it is dead")
    wait(lambda: "OCF_DEGRADED" in state(a)[2] or state(a)[0].get("slow") == "b", "the agent notices, or the guest is there")
    wait(lambda: state(a)[0].get("slow") == "b", "slow runs on b")
    wait(lambda: state(a)[1] & {"dynmem-move-slow", "dynmem-room"} == set(), "what the dead daemon has published is gone")
    wait(lambda: "OCF_DEGRADED" in state(a)[2], "a daemon that is gone is shown")
    assert 'host="b" value=""' in a.run("attrd_updater", "-QA", "-n", "dynmem-line")
    places = state(a)[0]
    assert (places["slow"], places["quick"]) == ("b", before["quick"]), places
    assert stops(a) + stops(b) == begun, "a guest was started cold"
    step("it has arrived live, nothing of the daemon is left, and no guest was stopped")

    b.start_daemon()
    wait(lambda: "dynmem-room" in state(a)[1], "the new daemon takes part")
    a.run("crm_resource", "--resource", "dynmem-clone", "--meta", "--set-parameter", "target-role", "--parameter-value", "Stopped")
    wait(lambda: not any(name.startswith("dynmem") for name in state(a)[1]), "a stopped agent leaves nothing")
    assert state(a)[0]["slow"] == "b" and stops(a) + stops(b) == begun
    step("the agent is stopped, and nothing is left of it")


def main():
    if os.geteuid() != 0:
        raise SystemExit("skip: root is a privilege that is needed")
    place = tempfile.mkdtemp(prefix="dynmem-pair-")
    hosts = []
    good = False
    try:
        for name, address in (("a", "10.77.0.1"), ("b", "10.77.0.2")):
            hosts.append(Host(place, name, address))
        subprocess.run(["ip", "link", "add", "dynmem-pair-a", "type", "veth", "peer", "name", "dynmem-pair-b"], check=True)
        for host in hosts:
            subprocess.run(["ip", "link", "set", "dynmem-pair-" + host.name, "netns", host.inside, "name", "eth0"], check=True)
            host.start_bus()
            host.start_daemon()
        case(*hosts)
        good = True
    except AssertionError as error:
        print(f"FAIL {error}; logs are below {place}")
    finally:
        for host in hosts:
            host.process.kill()
            host.process.wait()
        if good:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{int(good)} passed, {int(not good)} failed, 0 skipped")
    return 0 if good else 1


BEGAN = time.monotonic()
if __name__ == "__main__":
    sys.exit(main())
