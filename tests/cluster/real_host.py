# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A host of a real cluster with all that belongs to it: libvirtd, dynmemd and libvirt's hook.
"""

import json
import os
import signal
import subprocess
import sys
from uuid import uuid4

from nodes import ADDRESSES, BUS, ROOT, wait

sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

from host import LIBVIRTD_CONFIG, QEMU_CONFIG  # noqa: E402

MIB = 1 << 20
TCP_CONFIG = """
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
"""
DAEMON_CONFIG = """[Host]
Budget={budget}MiB
[Cluster]
Level=automatic
HoldSec={hold}s
CooldownSec=60s
"""


class Machine:
    """A node as a host of guests."""

    def __init__(self, node, budget, hold):
        self.node, self.name, self.root = node, node.name, node.root
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={node.root}{BUS}"}
        self.uri = f"qemu:///system?socket={node.root}/run/libvirt/libvirt-sock"
        self.libvirtd = self.daemon = None
        self.hold = hold
        self.set_budget(budget)
        self._write("/etc/libvirt/libvirtd.conf", LIBVIRTD_CONFIG.format(uuid=uuid4()) + TCP_CONFIG)
        self._write("/etc/libvirt/qemu.conf", QEMU_CONFIG)
        with open(os.path.join(ROOT, "data", "50-dynmem.in"), encoding="utf-8") as hook:
            self._write("/etc/libvirt/hooks/qemu.d/50-dynmem", hook.read().replace("@bindir@", "/usr/bin"), 0o755)
        self._write("/etc/hosts", "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
        # neither libvirtd of this machine may make control groups with the other's names, and dynmemd needs none
        node.run("sh", "-c", "umount -l -R /sys/fs/cgroup; mkdir -p /run/lab /run/lock /run/dynmem;"
                 " for folder in lib log cache; do mkdir -p /var/$folder/libvirt; done;"
                 " grep -q ^libvirt-qemu: /etc/passwd || echo libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin >>/etc/passwd;"
                 " grep -q ^libvirt-qemu: /etc/group || echo libvirt-qemu:x:64055: >>/etc/group")
        self.start_libvirtd()
        self.start_daemon()

    def _write(self, path, text, mode=0o644):
        path = self.root + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def set_budget(self, budget):
        """In MiB: what its guests may have together."""
        self.budget = budget
        self._write("/etc/dynmem/dynmemd.conf", DAEMON_CONFIG.format(budget=budget, hold=self.hold))
        if self.daemon:
            self.daemon.signal(signal.SIGHUP)

    # ---- what runs here

    def start_libvirtd(self):
        self.libvirtd = self.node.spawn("libvirtd.log", "libvirtd", "--listen")
        wait(lambda: self.virsh("list") is not None, f"libvirtd of {self.name} answers")

    def start_daemon(self):
        self.daemon = self.node.spawn("dynmemd.log", os.path.join(self.node.build, "src/dynmemd"), "--config=/etc/dynmem/dynmemd.conf",
                                      "--state-directory=/var/lib/dynmem")
        wait(lambda: self.ask("host") is not None, f"dynmemd of {self.name} answers")

    def kill_libvirtd(self):
        self.libvirtd.end(signal.SIGKILL)

    def kill_daemon(self):
        self.daemon.end(signal.SIGKILL)

    # ---- what it says

    def ask(self, *words):
        """What dm-ctl prints as JSON. None: there is no answer."""
        done = subprocess.run([os.path.join(self.node.build, "src/ctl/dm-ctl"), "--json", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.environment, timeout=60, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def virsh(self, *words):
        """What virsh prints. None: it failed."""
        done = subprocess.run(["virsh", "-q", "-c", self.uri, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else None

    def running(self):
        """Names of the guests whose programs go on here; None: libvirt does not answer."""
        said = self.virsh("list", "--state-running", "--name")
        return None if said is None else set(said.split())

    def view(self):
        """What dynmemd here knows of this host in the cluster; None: it knows of none."""
        status = self.ask("cluster", "status")
        if not status or not status["joined"]:
            return None
        return {**next(host for host in status["hosts"] if host["here"]), "why": status["why"], "moves": status["moves"]}

    def migrating(self, name):
        """Whether QEMU sends it, by libvirt's word."""
        return "Outgoing migration" in (self.virsh("domjobinfo", name) or "")

    def sound(self):
        """Whether no more is booked here than there is, nothing for nobody; as text where not. None: it does not answer."""
        host = self.ask("host")
        if not host:
            return None
        if host["committed"] > host["budget"]:
            return f"{self.name} has booked {host['committed'] // MIB} of {host['budget'] // MIB} MiB"
        if host["startsAdmitted"] or host["startsWaiting"]:
            return f"{self.name} keeps {host['startsAdmitted'] + host['startsWaiting']} bookings for nobody"
        return ""
