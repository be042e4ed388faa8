# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A place on this machine where a libvirtd, a system bus and guests can run without touching the machine's own: a
process tree in mount, process, network, IPC, UTS and cgroup namespaces. It has its own host name, /run, /etc/libvirt,
/var/lib/libvirt, /var/log/libvirt and /var/cache/libvirt, which are folders of one work folder outside, so
that what listens in them can be reached from outside too. When the first process in it ends, however it ends, the
kernel ends all the others.

Two sides: the outer one calls Sandbox(...).start(command), the command is run inside. It may make a sandbox of its own
in its sandbox's folder: another host, which ends with this one.
"""

import ctypes
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PRIVATE = {
    "/run": "run",
    "/etc/libvirt": "etc-libvirt",
    "/var/lib/libvirt": "lib",
    "/var/log/libvirt": "log",
    "/var/cache/libvirt": "cache",
}
# Debian's libvirtd does not start without the account that it runs QEMU as by default, also where it is told to use
# another one. It comes with the package that enables libvirtd on the machine, which is none of our business.
ACCOUNTS = {
    "/etc/passwd": "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "libvirt-qemu:x:64055:\n",
}
UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "--net",
           "--ipc", "--uts", "--cgroup")
# In the environment of what runs inside: the sandbox's folder.
HERE_VARIABLE = "DYNMEM_SANDBOX"
PR_SET_PDEATHSIG = 1
PLACE = "/tmp"


class Unprivileged(Exception):
    """A sandbox needs a privilege that this process does not have."""


def cgroup_mounts():
    """Mount points of all cgroup hierarchies: [(path, is_v2)]. In a sandbox two are at one place: the last is seen."""
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields = line.split()
            kind = fields[fields.index("-") + 1]
            if kind in ("cgroup", "cgroup2") and os.path.isdir(fields[4]):
                found[fields[4]] = kind == "cgroup2"
    return list(found.items())


class Sandbox:
    """One sandbox. close() removes all it made."""

    def __init__(self, name="dynmem-lab", place=PLACE):
        if os.geteuid() != 0:
            raise Unprivileged("a sandbox with real guests needs the privilege of root")
        probe = subprocess.run([*UNSHARE, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        if probe.returncode != 0:
            raise Unprivileged(f"a sandbox needs the privilege to make namespaces: {probe.stderr.strip()}")
        if place == PLACE:
            sweep()
        self.directory = tempfile.mkdtemp(prefix=f"{name}.", dir=place)
        self._set_owner(os.getpid())
        self.name = os.path.basename(self.directory)
        self.cgroups = []
        self.process, self.pid = None, 0
        for folder in PRIVATE.values():
            os.mkdir(os.path.join(self.directory, folder))

    def _set_owner(self, pid):
        with open(os.path.join(self.directory, "owner"), "w", encoding="utf-8") as owner:
            owner.write(str(pid))

    def _make_cgroups(self):
        for mount, is_v2 in cgroup_mounts():
            path = os.path.join(mount, self.name)
            try:
                os.mkdir(path)
                self.cgroups.append((path, is_v2))
                if is_v2:
                    os.mkdir(os.path.join(path, "supervisor"))
                for knob in ("cpuset.cpus", "cpuset.mems"):
                    # Version 1 lets no process in before these are set.
                    if not is_v2 and os.path.exists(os.path.join(path, knob)):
                        with open(os.path.join(mount, knob), encoding="utf-8") as source:
                            value = source.read()
                        with open(os.path.join(path, knob), "w", encoding="utf-8") as knob_file:
                            knob_file.write(value)
            except OSError as error:
                raise Unprivileged(f"a sandbox needs the privilege to make cgroups: {error}") from error

    def start(self, command, survive=False, **options):
        """Runs the command inside. Returns its Popen object, whose end is the end of all in the sandbox. It ends with
        this process, unless it shall survive it."""
        self._make_cgroups()
        procs = [os.path.join(path, "cgroup.procs") for path, _ in self.cgroups]
        libc = ctypes.CDLL(None)

        def join():
            if survive:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            else:
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for path in procs:
                with open(path, "w", encoding="utf-8") as group:
                    group.write("0")

        # The shell is process 1 inside: it waits for the command and, unlike that, reaps all orphans.
        self.process = subprocess.Popen(
            [*UNSHARE, "bash", "-c", '"$@"; exit $?', "bash", sys.executable, os.path.abspath(__file__),
             self.directory, *command], preexec_fn=join, **options)
        if survive:
            self._set_owner(self.process.pid)
        self._settle()
        return self.process

    def _settle(self):
        """Version 2 allows processes in leaves only: those that were started are moved into one, once they have made
        their namespaces, whose root is where they were then."""
        deadline = time.monotonic() + 10
        inside = os.path.join(self.directory, "inside")
        while not os.path.exists(inside) and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        for path, is_v2 in self.cgroups:
            while is_v2 and time.monotonic() < deadline:
                with open(os.path.join(path, "cgroup.procs"), encoding="utf-8") as group:
                    pids = group.read().split()
                if not pids:
                    break
                for pid in pids:
                    try:
                        with open(os.path.join(path, "supervisor", "cgroup.procs"), "w", encoding="utf-8") as leaf:
                            leaf.write(pid)
                    except ProcessLookupError:
                        pass

    def state(self):
        """What from_state needs to take it over in another process."""
        return {"directory": self.directory, "cgroups": self.cgroups, "pid": self.process.pid}

    @classmethod
    def from_state(cls, state):
        """A sandbox that another process started to survive it."""
        place = cls.__new__(cls)
        place.directory, place.cgroups = state["directory"], state["cgroups"]
        place.name = os.path.basename(place.directory)
        place.process, place.pid = None, state["pid"]
        return place

    def kill(self):
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            return
        try:
            with open(f"/proc/{self.pid}/cmdline", encoding="utf-8") as command:
                if self.directory in command.read():
                    os.kill(self.pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended, and another process may have its number

    def close(self):
        self.kill()
        for path, _ in self.cgroups:
            remove_cgroup(path)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.cgroups = []


def sweep():
    """Removes what is left of sandboxes whose owner was killed before it could do so."""
    for directory in glob.glob(os.path.join(PLACE, "dynmem-*.*", "owner")):
        try:
            with open(directory, encoding="utf-8") as owner:
                os.kill(int(owner.read() or os.getpid()), 0)
        except ProcessLookupError:
            directory = os.path.dirname(directory)
            for mount, _ in cgroup_mounts():
                remove_cgroup(os.path.join(mount, os.path.basename(directory)))
            shutil.rmtree(directory, ignore_errors=True)
        except (OSError, ValueError):
            continue


def remove_cgroup(path):
    """Removes a cgroup and all below it. Its processes are dying: that takes a moment."""
    deadline = time.monotonic() + 10
    while os.path.isdir(path):
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
        if time.monotonic() > deadline:
            break
        if os.path.isdir(path):
            time.sleep(0.05)


def make_place(directory, place, mount):
    """Makes a folder that is to be mounted on, seen inside only: the machine shall not keep it."""
    parent = os.path.dirname(place)
    above = os.path.join(directory, "above" + parent.replace("/", "-"))
    os.mkdir(above)
    mount("-t", "tmpfs", "none", above)
    os.mkdir(f"{above}/upper")
    os.mkdir(f"{above}/work")
    mount("-t", "overlay", "-o", f"lowerdir={parent},upperdir={above}/upper,workdir={above}/work", "none", parent)
    os.mkdir(place)


def enter(directory):
    """The inner side: puts the private folders in their places."""
    def mount(*arguments):
        subprocess.run(["mount", *arguments], check=True)

    name = os.path.basename(directory)
    with open(os.path.join(directory, "inside"), "w", encoding="utf-8"):
        pass
    deadline = time.monotonic() + 10
    while any(is_v2 for _, is_v2 in cgroup_mounts()):
        with open("/proc/self/cgroup", encoding="utf-8") as groups:
            if "0::/supervisor\n" in groups.read():
                break
        if time.monotonic() > deadline:
            sys.exit("sandbox: nobody moved this process into its cgroup")
        time.sleep(0.01)
    socket.sethostname(name)
    os.environ[HERE_VARIABLE] = directory
    for path, _ in cgroup_mounts():
        mount("--bind", os.path.join(path, name), path)
    for place, folder in PRIVATE.items():
        if not os.path.isdir(place):
            make_place(directory, place, mount)
        mount("--bind", os.path.join(directory, folder), place)
    for place, entry in ACCOUNTS.items():
        with open(place, encoding="utf-8") as source:
            text = source.read()
        if not re.search("^libvirt-qemu:", text, re.MULTILINE):
            private = os.path.join(directory, os.path.basename(place))
            with open(private, "w", encoding="utf-8") as target:
                target.write(text + entry)
            mount("--bind", private, place)


if __name__ == "__main__":
    enter(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
