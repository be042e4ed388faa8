#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A second host for a scene: a sandbox inside the scene's own, with a bus, a libvirtd and a dynmemd. Guests migrate
between the two over sockets in the folder of the outer sandbox, which both see. When the scene ends, so does it.

Started as a program it is that host: usage: peer.py IMAGES BUILD CONFIG
"""

import os
import signal
import subprocess
import sys

import sandbox
from host import Daemon, Guest, Host, LabError, virsh, wait_until


class PeerDaemon(Daemon):
    """The dynmemd of the second host, seen from the first one."""

    def __init__(self, host):  # pylint: disable=super-init-not-called
        self.host = host
        self.environment = {**os.environ,
                            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={host.root}/run/dbus/system_bus_socket"}

    def answers(self):
        return self.ctl_status("host") == 0

    def log(self):
        with open(f"{self.host.root}/run/lab/dynmemd.log", encoding="utf-8", errors="replace") as log:
            return log.read()


class PeerGuest(Guest):
    """A guest on the second host."""

    def start(self):
        virsh("-c", self.host.uri, "create", self.file)
        self.connect()

    def pid(self):
        """Not the one in its pid file, which counts in the other sandbox."""
        path = f"{self.host.root}/run/libvirt/qemu/{self.name}.pid"
        with open(path, encoding="utf-8") as file:
            inner = file.read().strip()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                    numbers = next(line for line in status if line.startswith("NSpid:")).split()[1:]
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as command:
                    if numbers[1:] == [inner] and f"guest={self.name}," in command.read():
                        return int(pid)
            except (OSError, StopIteration):
                continue
        raise FileNotFoundError(path)


class Peer:
    """The second host, seen from the first one."""

    def __init__(self, host, config):
        self.shared = os.environ[sandbox.HERE_VARIABLE]
        self.place = sandbox.Sandbox("peer", self.shared)
        self.root, self.build = self.place.directory, host.build
        self.uri = f"qemu:///system?socket={self.root}/run/libvirt/libvirt-sock"
        self.host, self.guests = host, {}
        self.daemon = PeerDaemon(self)
        self.log = "/run/lab/peer.log"
        with open(self.log, "wb") as log:
            command = [sys.executable, os.path.abspath(__file__), host.images, host.build, config]
            self.process = self.place.start(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("the second host is up", 90, self.is_up)

    def is_up(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise LabError("the second host ended: " + log.read()[-2000:])
        return self.daemon.answers() and self.daemon.ctl("host")["link"] == "read-write"

    def make_guest(self, name, maximum, startup, **settings):
        """A transient guest of this host, not started yet."""
        made = self.host.make_guest(name, maximum, startup, folder=self.shared, **settings)
        del self.host.guests[name]
        arrived = self.guest(made)
        arrived.file = made.file
        return arrived

    def guest(self, guest):
        """A guest of the first host as it will be on this one, its console not yet connected."""
        arrived = PeerGuest(self, guest.name, guest.maximum, guest.startup)
        arrived.has_driver = guest.has_driver
        self.guests[guest.name] = arrived
        return arrived


def main(images, build, config):
    host = Host(images, build)
    host.has_hook = True
    daemon = Daemon(host, config)
    host.start()
    daemon.start()
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
