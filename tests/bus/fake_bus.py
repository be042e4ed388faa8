# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private bus and a stand-in for dynmemd on it (test_ctl_fake.c), for the tests of dm-ctl."""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest

MIB = 1024 * 1024
GIB = 1024 * MIB

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={directory}</listen>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
<allow user="*"/></policy></busconfig>
"""


def die_with_parent():
    """Runs in a child: it ends with the test, however that ends, and leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class PrivateBus:
    """A bus daemon of its own; self.environment leads to it."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="dynmem-bus-")
        config = os.path.join(self.directory, "bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(directory=self.directory))
        self.process = subprocess.Popen(
            ["dbus-daemon", "--config-file=" + config, "--nofork", "--nopidfile", "--print-address"],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        address = self.process.stdout.readline().strip()
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address, LC_ALL="C.UTF-8", TERM="dumb")
        for name in ("COLUMNS", "NO_COLOR"):
            self.environment.pop(name, None)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.directory)


class FakeDaemon:
    """The stand-in. Values are given as Python values of the property's type. answers: of methods, from its first moment on;
    whoever waits for its name asks as soon as that is there."""

    def __init__(self, program, xml, environment, answers=()):
        words = [word for method, answer in dict(answers).items() for word in (method, answer)]
        self.process = subprocess.Popen([program, xml, *words], env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, encoding="utf-8",
                                        preexec_fn=die_with_parent)
        self._wait()

    def _wait(self):
        answer = self.process.stdout.readline()
        if answer != "ok\n":
            raise RuntimeError("the fake daemon failed: " + repr(answer))

    def tell(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        self._wait()

    @staticmethod
    def value(value):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        escaped = "".join(c if c.isalnum() or c in " -_.:,;/()%" else "\\U%08x" % ord(c) for c in value)
        return '"' + escaped + '"'

    def host(self, **properties):
        for name, value in properties.items():
            self.tell("host", name, self.value(value))

    def change(self, uuid, **properties):
        for name, value in properties.items():
            self.tell("guest", uuid, name, self.value(value))

    def guest(self, uuid, name, **properties):
        """A new guest, a running one of 1 GiB unless said otherwise."""
        values = dict(Name=name, Uuid=uuid, State="active", Status="ok", Reason="it has all it wants",
                      Rule="satisfied", Managed=True, Mode="dynamic", Issue="", Minimum=512 * MIB,
                      Startup=GIB, Maximum=4 * GIB, Buffer=20, Priority=50, Assigned=GIB, Target=GIB,
                      Committed=GIB, Demand=800 * MIB, Want=960 * MIB, Resident=900 * MIB,
                      Total=984 * MIB, Usable=184 * MIB, Pressure=94)
        values.update(properties)
        self.change(uuid, **values)
        self.tell("show", uuid)

    def event(self, kind, uuid, name, old, new, reason, message):
        self.tell("event", "(%s, %s, %s, uint64 %d, uint64 %d, %s, %s)" % (
            self.value(kind), self.value(uuid), self.value(name), old, new, self.value(reason),
            self.value(message)))

    def answer(self, method, text):
        """What a method of the Manager or the Cluster answers, in GVariant's text form; None: it does not."""
        if text is None:
            self.tell("keep", method)
        else:
            self.tell("answer", method, text)

    def last(self, method):
        """What it was last called with, or None."""
        self.process.stdin.write("last\t%s\n" % method)
        self.process.stdin.flush()
        said = self.process.stdout.readline().rstrip("\n")
        self._wait()
        return None if said == "-" else said

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        """An orderly end, as of a daemon that is stopped."""
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class BusTest(unittest.TestCase):
    """Tests of a class share a private bus, self.bus."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.bus = PrivateBus()
        cls.addClassCleanup(cls.bus.close)
