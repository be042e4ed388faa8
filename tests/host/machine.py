# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The host VM as it runs: one QEMU process, and a connection to the agent in it, through which scripts are run and the
consoles of its guests are read and written. Times are those of the machine outside.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import threading
import time

from image import die_with_parent

MIB = 1 << 20
# The agent is asked for a sign of life so often, and must have given one within so long: it is away while the host boots.
BEAT_SECONDS = 10
SILENT_SECONDS = 150


class HostError(Exception):
    """Something the host VM itself needs did not work, or what was waited for did not come."""


class LateError(HostError):
    """What was waited for did not come in time."""


class StoppedError(HostError):
    """
    The host VM has come to a stop, whatever runs in it. QEMU's emulator may, rarely, go on with a piece of kernel code that
    another processor has just patched (the breakpoint in its place is met for ever), which a snapshot mends.
    """


class ScriptError(HostError):
    """A script in the host VM ended with a status other than 0."""

    def __init__(self, script, status, output):
        first = script.strip().splitlines()[0]
        super().__init__(f"{first}: exit {status}: {output.strip()[-2000:]}")
        self.status, self.output = status, output


class Machine:
    """The host VM. close() ends it, and what was written to its disk is gone."""

    def __init__(self, image, directory, memory_mib):
        self.image, self.directory, self.memory_mib = image, directory, memory_mib
        self.process = None
        self.port = None
        self.lock = threading.Condition()
        self.done = {}      # of scripts: id -> (status, output)
        self.synced = None
        self.heard = None   # when the agent said something last; None: nothing yet
        self.sending = threading.Lock()
        self.lines = []     # of the guests' consoles: (time, guest, line)
        self.next_id = 0

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        for name in ("port.sock", "qmp.sock"):
            if os.path.lexists(self.path(name)):
                os.unlink(self.path(name))
        # Sockets have short names only: QEMU runs in their folder.
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-smp", "2",
            "-m", str(self.memory_mib), "-kernel", self.image.boot_file("vmlinuz"),
            "-initrd", self.image.boot_file("initrd.img"),
            "-append", "root=/dev/vda rw psi=1 console=ttyS0 quiet loglevel=4 mitigations=off no5lvl "
                       "systemd.show_status=0 net.ifnames=0 audit=0 apparmor=0",
            # What is written goes to a file without a name, in TMPDIR, which holds the snapshots too.
            "-drive", f"file={os.path.abspath(self.image.disk)},if=none,id=disk,format=raw,snapshot=on,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci",
            "-chardev", "socket,id=port,path=port.sock,server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=port,name=dynmem",
            "-chardev", "file,id=console,path=console.log", "-serial", "chardev:console",
            "-qmp", "unix:qmp.sock,server=on,wait=off",
            # Also where the machine has KVM: what the cases wait for shall be the same everywhere.
            "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max",
        ]
        with open(self.path("qemu.log"), "wb") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent,
                                            env=dict(os.environ, TMPDIR=os.path.abspath(self.directory)))
        self.port = self.connect("port.sock")
        threading.Thread(target=self.listen, daemon=True).start()
        threading.Thread(target=self.beat, daemon=True).start()
        self.qmp = QemuMonitor(self.connect("qmp.sock"))

    def connect(self, name, seconds=20):
        deadline = time.monotonic() + seconds
        # A path of any length, in the folder that is opened here.
        folder = os.open(self.directory, os.O_PATH | os.O_DIRECTORY)
        try:
            while True:
                if self.process.poll() is not None:
                    with open(self.path("qemu.log"), encoding="utf-8", errors="replace") as log:
                        raise HostError(f"QEMU ended with {self.process.returncode}: {log.read()[-2000:]}")
                client = socket.socket(socket.AF_UNIX)
                try:
                    client.connect(f"/proc/self/fd/{folder}/{name}")
                    return client
                except OSError:
                    client.close()
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
        finally:
            os.close(folder)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # ---- the agent ----

    def beat(self):
        while self.process.poll() is None:
            try:
                self.send("sync beat")
            except OSError:
                return
            time.sleep(BEAT_SECONDS)

    def listen(self):
        received = b""
        while True:
            try:
                data = self.port.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                return
            received += data
            *lines, received = received.split(b"\n")
            now = time.monotonic()
            with self.lock:
                self.heard = now
                for line in lines:
                    self.take(now, line.decode(errors="replace").split(" "))
                self.lock.notify_all()

    def take(self, now, words):
        try:
            if words[0] == "done":
                self.done[int(words[1])] = (int(words[2]), bytes.fromhex(words[3]).decode(errors="replace"))
            elif words[0] == "console":
                self.lines.append((now, words[1], bytes.fromhex(words[2]).decode(errors="replace").strip()))
            elif words[0] == "sync" and words[1] != "beat":
                self.synced = words[1]
        except (IndexError, ValueError):
            pass  # the rest of a line that a reboot cut

    def send(self, line):
        with self.sending:
            self.port.sendall(line.encode() + b"\n")

    def wait(self, what, seconds, condition):
        """Waits until condition(), called with the lock held whenever something came, returns something true."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    raise LateError(f"waited {seconds} s in vain until {what}")
                if self.process.poll() is not None:
                    raise HostError("the host VM has ended")
                if self.heard is not None and time.monotonic() - self.heard > SILENT_SECONDS:
                    raise StoppedError(f"the host VM has not answered for {SILENT_SECONDS} s; it was waited until {what}")
                self.lock.wait(min(left, 5))

    def sync(self, seconds):
        """Waits until the agent answers: the host has booted far enough, or is as a snapshot had it."""
        self.next_id += 1
        mark = f"s{self.next_id}"
        deadline = time.monotonic() + seconds
        while True:
            self.send("")
            self.send(f"sync {mark}")
            try:
                self.wait("its agent answers", min(5, seconds), lambda: self.synced == mark)
                return
            except StoppedError:
                raise
            except HostError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise

    def begin(self, script):
        """Begins to run a script. Returns a number for end()."""
        with self.lock:
            self.next_id += 1
            number = self.next_id
        self.send(f"run {number} {script.encode().hex()}")
        return number

    def end(self, number, seconds=300, what="a script ends"):
        """The (exit status, output) of a script."""
        self.wait(what, seconds, lambda: number in self.done)
        return self.done.pop(number)

    def run(self, script, seconds=300, check=True):
        """Runs a script with bash. Returns what it printed."""
        status, output = self.end(self.begin(script), seconds, f"this has ended: {script.strip().splitlines()[0]}")
        if check and status != 0:
            raise ScriptError(script, status, output)
        return output

    def say(self, guest, line):
        self.send(f"say {guest} {line.encode().hex()}")

    def console(self, guest, pattern, since):
        """The time when a guest printed a line with this in it, after a time; None: not yet."""
        return next((when for when, name, line in self.lines
                     if name == guest and when >= since and re.search(pattern, line)), None)

    def wait_console(self, guest, pattern, since, seconds):
        return self.wait(f"{guest} says {pattern}", seconds, lambda: self.console(guest, pattern, since))

    def ask(self, guest, command, seconds=300):
        """Gives a command to a guest. Returns what it answers after "ok"."""
        since = time.monotonic()
        self.say(guest, command)

        def answer():
            return next((line for when, name, line in self.lines
                         if name == guest and when >= since and re.match("ok|error", line)), None)

        line = self.wait(f"{guest} answers to {command}", seconds, answer)
        if line.startswith("error"):
            raise HostError(f"{guest}: {command}: {line}")
        return line[2:].strip()

    # ---- files ----

    def write(self, path, text, mode="644"):
        self.run(f"mkdir -p {shlex.quote(os.path.dirname(path))}; printf %s {shlex.quote(text)} >{shlex.quote(path)}; "
                 f"chmod {mode} {shlex.quote(path)}")

    # ---- snapshots ----

    def save(self, name):
        self.qmp.human(f"savevm {name}")

    def load(self, name):
        self.qmp.human(f"loadvm {name}")
        with self.lock:
            self.done.clear()
            self.lines.clear()
            self.heard = time.monotonic()
        self.sync(60)


class QemuMonitor:
    """QEMU's monitor."""

    def __init__(self, connection):
        connection.settimeout(300)
        self.file = connection.makefile("rwb")
        self.file.readline()
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise HostError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def human(self, line):
        said = self.call("human-monitor-command", **{"command-line": line})
        if said.strip():
            raise HostError(f"{line}: {said.strip()}")
