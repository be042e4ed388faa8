# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Guests of a real cluster, which the cluster starts and moves: small Linux machines with a balloon, whose programs need more or less,
and count their work.
"""

import os
import re
import subprocess
import sys
from uuid import uuid4

from nodes import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

import host as lab  # noqa: E402

EMULATOR = os.path.join(ROOT, "tests", "cluster", "emulator.sh")
# What is sent of a guest a second, in MiB; and so little that its program writes to more than that.
SPEED, SLOW = 64, 1
# Emulated guests are slow where others compute beside them.
PRIMITIVE = """<primitive id="{name}" class="ocf" provider="heartbeat" type="VirtualDomain"><instance_attributes id="{name}-params">
<nvpair id="{name}-config" name="config" value="{file}"/>
<nvpair id="{name}-hypervisor" name="hypervisor" value="qemu:///system"/>
<nvpair id="{name}-transport" name="migration_transport" value="tcp"/>
<nvpair id="{name}-options" name="migrate_options" value="--unsafe"/>
<nvpair id="{name}-speed" name="migration_speed" value="{speed}"/>
<nvpair id="{name}-cpu" name="autoset_utilization_cpu" value="false"/>
<nvpair id="{name}-hv" name="autoset_utilization_hv_memory" value="false"/>
<nvpair id="{name}-memory" name="autoset_utilization_host_memory" value="false"/>
</instance_attributes><operations><op id="{name}-monitor" name="monitor" interval="30s" timeout="60s"/>
<op id="{name}-start-interval-0s" name="start" interval="0s" timeout="300s"/><op id="{name}-stop-interval-0s" name="stop" interval="0s" timeout="300s"/>
</operations></primitive>"""
# where it is started first; far below what keeps it where it is later
PLACE = '<rsc_location id="{name}-first" rsc="{name}" node="{node}" score="1"/>'
# Two hosts that do not hear of each other go on as they are: there is no fencing here.
CLUSTER = """<configuration><crm_config><cluster_property_set id="cib-bootstrap-options">
<nvpair id="fencing" name="stonith-enabled" value="false"/><nvpair id="quorum" name="no-quorum-policy" value="freeze"/>
</cluster_property_set></crm_config><resources>{guests}</resources><constraints>{places}</constraints></configuration>"""


# What a guest has at most, at first, and at least, in MiB. Besides what its program needs its kernel has some, and a fifth of both is
# its buffer.
MOST, STARTUP, LEAST = 800, 256, 224
KERNEL, BUFFER = 165, 1.2
# What programs may need.
LOADS = range(20, 480, 20)
# A program writes to so much of its memory a second, and takes what it needs anew so fast, in MiB.
PACE, TAKES = 8, 64


class Guest:
    """A guest of the cluster: one of the lab's, whose program takes what it is told to need, whether there is any or not."""

    def __init__(self, shared, images, name, first):
        self.name, self.first = name, first
        self.load = LOADS[0]  # what its program needs
        self.work = 0  # what that had done when it was last asked
        self.file = os.path.join(shared, f"{name}.xml")
        xml = lab.DOMAIN.format(
            kind="qemu", name=name, images=images, cmdline="lab.pause=5", memory=MOST, startup=STARTUP, balloon="virtio",
            uuid=f"<uuid>{uuid4()}</uuid>", slots="", cpu="", format="raw", folder=shared, devices="",
            metadata=f'<dynmem:memory xmlns:dynmem="urn:dynmem:domain:1" minimum="{LEAST}MiB"/>',
            features="<tcg><tb-cache unit='MiB'>32</tb-cache></tcg>")
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(xml.replace("/usr/bin/qemu-system-x86_64", EMULATOR))
        with open(os.path.join(shared, f"{name}.swap"), "wb") as file:
            file.truncate(lab.SWAP_MIB << 20)

    def say(self, machine, words):
        """What it answers; None: it can't be asked there now."""
        console = lab.Guest(machine, self.name, MOST, STARTUP)
        try:
            console.connect()
            return console.say(words, 10)
        except (OSError, lab.LabError):
            return None
        finally:
            if console.socket:
                console.socket.close()

    def push(self, machine, pace):
        """Its program needs its load from now on. Returns whether it was told."""
        return self.say(machine, f"push {self.load} {pace}") is not None

    def read(self, machine):
        """The work that its program has done; None: it can't be read there now."""
        found = re.fullmatch(r"held=(\d+) work=(\d+)", self.say(machine, "pushed") or "")
        return int(found.group(2)) if found else None


def needs(load):
    """What a guest needs whose program needs so much, with its buffer, in MiB."""
    return max(LEAST, BUFFER * (load + KERNEL))


def make_guests(shared, build, places):
    images = os.path.join(build, "lab-guest")
    subprocess.run([os.path.join(ROOT, "tests", "lab", "guest", "make-image"), images], check=True, stdin=subprocess.DEVNULL)
    return [Guest(shared, images, name, first) for name, first in places.items()]


def configuration(guests):
    return CLUSTER.format(
        guests="".join(PRIMITIVE.format(name=guest.name, file=guest.file, speed=SPEED) for guest in guests),
        places="".join(PLACE.format(name=guest.name, node=guest.first) for guest in guests))
