# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Hosts of a real cluster on this machine, each in namespaces of its own (node.sh), with corosync and Pacemaker from unpacked packages
and a bus; and what their cluster says of itself.
"""

import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUS = "/run/dbus/system_bus_socket"
BUS_CONFIG = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={BUS}</listen><policy context="default"><allow send_destination="*"/>
<allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>"""
ADDRESSES = {"a": "10.77.0.1", "b": "10.77.0.2"}


def wait(happened, what, seconds=90, every=1):
    end = time.monotonic() + seconds
    while True:
        found = happened()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


class Node:
    """One host. place is the folder that all of them share, build that of dynmem, packages where Pacemaker is unpacked."""

    def __init__(self, place, name, build, packages, two_node=True):
        self.name, self.home, self.build = name, os.path.join(place, name), build
        self.pacemaker = None
        os.mkdir(self.home)
        self.process = subprocess.Popen(
            ["unshare", "-m", "-n", "-p", "-i", "-u", "-f", "--kill-child", "bash", os.path.join(HERE, "node.sh"), place, packages, name,
             ADDRESSES[name], os.path.join(build, "data/host"), os.path.join(build, "src/ctl/dm-ctl"), str(int(two_node))],
            stdin=subprocess.DEVNULL)
        wait(lambda: os.path.exists(os.path.join(self.home, "ready")) or self.process.poll() is not None, f"host {name}", every=0.1)
        if self.process.poll() is not None:
            raise SystemExit("skip: namespaces and overlays need a privilege that is not here")
        self.inside = child_of(self.process.pid)
        self.root = f"/proc/{self.inside}/root"

    def words(self, *words):
        return ["nsenter", "-t", str(self.inside), "-m", "-n", "-p", "-i", "-u", "env", "PCMK_logfile=none", *words]

    def run(self, *words, check=True, timeout=120):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def spawn(self, log, *words):
        """Starts a program inside, which says what it says in the file of that name. Returns a Popen object whose pid is its own."""
        with open(os.path.join(self.home, log), "ab") as file:
            # nsenter stays outside of the namespace of processes, as the parent of what it was asked for
            return Inner(self.words(*words), stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def start_bus(self):
        with open(os.path.join(self.home, "bus.conf"), "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG)
        self.spawn("bus.log", "dbus-daemon", f"--config-file={self.home}/bus.conf", "--nofork", "--nopidfile")
        wait(lambda: os.path.exists(self.root + BUS), "a bus")

    def start_pacemaker(self):
        self.pacemaker = self.spawn("pacemakerd.out", f"PCMK_logfile={self.home}/pacemaker.log", "PCMK_logfacility=none", "pacemakerd")

    def close(self):
        self.process.kill()
        self.process.wait()


class Inner(subprocess.Popen):
    """A program in the namespaces of a node."""

    def signal(self, number):
        """To the program itself, not to nsenter."""
        pid = child_of(self.pid)
        if pid:
            os.kill(pid, number)
        if number == signal.SIGCONT:
            os.kill(self.pid, number)  # nsenter stops with its child

    def end(self, number, seconds=120):
        self.signal(number)
        return self.wait(seconds)


def child_of(pid):
    """Of that process; 0: it has none (yet)."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return int((file.read().split() or [0])[0])
    except OSError:
        return 0


def start_cluster(place, build, packages, two_node=True):
    """Two nodes, a and b, that are becoming a cluster, each with a bus."""
    nodes = []
    try:
        for name in ADDRESSES:
            nodes.append(Node(place, name, build, packages, two_node))
        subprocess.run(["ip", "link", "add", "dynmem-pair-a", "type", "veth", "peer", "name", "dynmem-pair-b"], check=True)
        for node in nodes:
            subprocess.run(["ip", "link", "set", "dynmem-pair-" + node.name, "netns", str(node.inside), "name", "eth0"], check=True)
            node.start_bus()
        for node in nodes:
            wait(lambda node=node: os.path.exists(os.path.join(node.home, "corosync.up")), f"corosync of {node.name}")
            node.start_pacemaker()
    except BaseException:
        for node in nodes:
            node.close()
        raise
    return nodes


def wait_cluster(node, seconds=90):
    """Until the cluster, asked there, has both hosts."""
    wait(lambda: "Online: [ a b ]" in node.run("crm_mon", "-1", check=False), "a cluster of two", seconds)


class State:
    """What the cluster says of itself, asked at a node."""

    def __init__(self, node):
        cib = ElementTree.fromstring(node.run("cibadmin", "--query"))
        shown = ElementTree.fromstring(node.run("crm_mon", "-1", "--output-as=xml"))
        self.places = {}  # where each resource runs, "" while it moves or stops
        self.blocked = set()
        for resource in shown.iter("resource"):
            nodes = [found.get("name") for found in resource.iter("node")]
            self.places[resource.get("id")] = nodes[0] if len(nodes) == 1 and resource.get("role") == "Started" else ""
            if resource.get("blocked") == "true":
                self.blocked.add(resource.get("id"))
        # what each node has published and not taken back
        self.attributes = {
            name: {pair.get("name"): pair.get("value") for pair in
                   cib.findall(f".//node_state[@uname='{name}']/transient_attributes//nvpair") if pair.get("value")}
            for name in ADDRESSES}
        self.failures = {(failure.get("op_key"), failure.get("node"), failure.get("exitstatus"))
                         for failure in shown.iter("failure")}
        self.wishes = {name for found in self.attributes.values() for name in found if name.startswith("dynmem-move-")}
