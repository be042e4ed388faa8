# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The cases of tests/host: what must hold on a real host. A scene starts from the same state of the host, a snapshot that was
taken when its guests were up; its cases run in order. What a case returns is printed behind it.
"""

import time

from host import Host, mib, wait_until
from machine import MIB, HostError


def check(condition, text):
    if not condition:
        raise AssertionError(text)


class Scene:
    """Base of all scenes. A case is a method whose name starts with case_."""

    def __init__(self, machine):
        self.machine = machine
        self.host = Host(machine)

    @classmethod
    def case_names(cls):
        return [name[len("case_"):] for name in cls.__dict__ if name.startswith("case_")]

    def set_up(self):
        """Brings the host to where the scene's cases begin."""


class Installed(Scene):
    """dynmem as `meson install` and systemctl left it on a host that has just booted."""

    def case_host_boots_with_dynmemd(self):
        state = self.host.run("systemctl is-system-running --wait", 180, check=False).strip()
        check(state == "running", f"the host is {state}: " + self.host.run("systemctl --failed --no-legend"))
        check(self.host.run("systemctl is-active dynmemd").strip() == "active", "dynmemd is not active")
        wait_until("dynmemd is connected to libvirt", 30, lambda: self.host.ctl("host")["link"] == "read-write")
        return "dynmemd and libvirtd are active"

    def case_reload_puts_settings_in_force(self):
        self.host.configure(Host={"Budget": "1234MiB"})
        wait_until("the budget is the one that was set", 15, lambda: mib(self.host.ctl("host")["budget"]) <= 1234)
        self.host.configure()
        wait_until("the budget is the host's", 15, lambda: mib(self.host.ctl("host")["budget"]) > 1234)

    def case_nested_guest_is_balanced(self):
        guest = self.host.define("only", 256, 128)
        self.host.start(guest)
        took = guest.wait_ready()
        self.host.wait_active(guest)
        self.host.configure(Host={"Budget": "128MiB"})
        seen = self.host.wait_listed(guest, "is at its minimum", 60,
                                     lambda it: it["assigned"] <= 129 * MIB)
        total = guest.state()["MemTotal"]
        check(total <= 128, f"its balloon left it {mib(seen['assigned'])} MiB, and it sees {total:.0f}")
        self.host.configure()
        self.host.run("virsh -q destroy only")
        return f"booted in {took:.0f} s, then ballooned down to 128 MiB"


SCENES = (Installed,)
