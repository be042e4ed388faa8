# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A virtualisation host inside a sandbox (sandbox.py): a bus, a libvirtd, guests, and dynmemd. Everything here runs
inside; nothing needs cleaning up, because all processes and files end with the sandbox.
"""

import ctypes
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from uuid import uuid4

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUS = "unix:path=/run/dbus/system_bus_socket"
# linux/prctl.h
PR_SET_THP_DISABLE = 41
DAEMON_CONFIG = "/run/lab/dynmemd.conf"
URI = "qemu:///system"
MIB = 1024 * 1024
SWAP_MIB = 512
# How much longer than on a quiet machine anything may take before it has failed: emulated guests are slow where others
# compute beside them, and what is judged here is what happens, not how soon. How soon is printed.
PATIENCE = 3
# The dm-ctl that looks at the daemon all the time. None: that of the build. With sanitizers it takes seven times as long.
LOOKER = None
# No guest has less memory than this, and nothing else in its QEMU lies in a mapping as large.
GUEST_MAPPING_KIB = 96 * 1024

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  {includes}
</busconfig>
"""

LIBVIRTD_CONFIG = """
host_uuid = "{uuid}"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0700"
"""
# Every call that a client makes about guests, one a line.
LIBVIRTD_CALLS = "/run/lab/libvirtd-calls.log"
LIBVIRTD_CALLS_CONFIG = f"""
log_filters = "1:libvirt.domain 4:*"
log_outputs = "1:file:{LIBVIRTD_CALLS}"
"""

HOOK_PATH = "/etc/libvirt/hooks/qemu.d/50-dynmem"

QEMU_CONFIG = """
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
"""

DOMAIN = """<domain type='{kind}'>
  <name>{name}</name>
  {uuid}
  <metadata>{metadata}</metadata>
  {slots}
  <memory unit='MiB'>{memory}</memory>
  <currentMemory unit='MiB'>{startup}</currentMemory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{images}/kernel</kernel>
    <initrd>{images}/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 no_timer_check {cmdline}</cmdline>
  </os>
  <features><acpi/>{features}</features>
  {cpu}
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <disk type='file' device='disk'>
      <driver name='qemu' type='{format}' cache='unsafe'/>
      <source file='{folder}/{name}.swap'/><target dev='vda' bus='virtio'/>
    </disk>
    {devices}
    <serial type='file'><source path='/run/lab/{name}.log'/><target port='0'/></serial>
    <serial type='unix'><source mode='bind' path='/run/lab/{name}.sock'/><target port='1'/></serial>
    <memballoon model='{balloon}'/>
  </devices>
</domain>
"""


DIMM = """<memory model='dimm'><target><size unit='MiB'>{size}</size><node>0</node></target></memory>
"""
VIRTIO_MEM = """<memory model='virtio-mem'><target><size unit='MiB'>{size}</size><node>0</node>
<block unit='KiB'>2048</block><requested unit='MiB'>{requested}</requested></target></memory>
"""


class LabError(Exception):
    """Something the lab itself needs did not work."""


def run(command, check=True, timeout=60 * PATIENCE, **options):
    """Runs a command. Returns what it printed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=timeout, **options)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def virsh(*arguments, check=True, timeout=60 * PATIENCE):
    return run(["virsh", "-q", "-c", URI, *arguments], check=check, timeout=timeout)


def make_qcow2(path, size):
    """An empty disk image that can hold snapshots: header, table of reference counts, the counts, and the first-level
    table, a cluster of 64 KiB each (docs/interop/qcow2.txt in QEMU's source). One first-level entry reaches 512 MiB."""
    cluster = 1 << 16
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, 1, 3 * cluster, cluster, 1, 0, 0)
    with open(path, "wb") as disk:
        for text in (header, struct.pack(">Q", 2 * cluster), struct.pack(">4H", 1, 1, 1, 1), b""):
            disk.write(text.ljust(cluster, b"\0"))


def wait_until(what, seconds, condition, every=0.1):
    """Waits until condition() is true, and returns that value. It takes less than the seconds on a quiet machine."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds} s in vain until {what}")
        time.sleep(every)


def kvm_usable(images):
    """KVM counts only where the processor can do it and a guest is seen to boot with it."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        if not re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo.read(), re.MULTILINE):
            return False
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    probe = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-machine", "pc", "-accel", "kvm", "-cpu", "host", "-m", "256", "-display",
         "none", "-kernel", f"{images}/kernel", "-initrd", f"{images}/initrd", "-append", "console=ttyS0 quiet",
         "-serial", "null", "-serial", "stdio"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    os.set_blocking(probe.stdout.fileno(), False)
    deadline = time.monotonic() + 15
    said = b""
    while time.monotonic() < deadline and b"ready" not in said and probe.poll() is None:
        said += probe.stdout.read() or b""
        time.sleep(0.05)
    probe.kill()
    probe.wait()
    return b"ready" in said


class Host:
    """The bus and libvirtd. images is the folder with the guests' kernel and initrd, build that of dynmem."""

    def __init__(self, images, build, accel="tcg"):
        self.images, self.build, self.accel = images, build, accel
        self.uri = URI
        self.root = ""  # where its /run is found
        # libvirt lets no guest migrate to a host with the same one.
        self.uuid = uuid4()
        self.log_calls = False
        self.has_hook = False
        self.nice = 0  # of libvirtd and its guests, which compute all the time
        self.bus = None
        self.libvirtd = None
        self.guests = {}
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = BUS
        for folder in ("/run/lab", "/run/dbus", "/run/lock"):
            os.makedirs(folder, exist_ok=True)

    def start(self):
        self.start_bus()
        if self.has_hook:
            self.install_hook()
        self.start_libvirtd()

    def start_bus(self):
        policy = os.path.join(ROOT, "data", "org.dynmem1.conf")
        includes = f"<include>{policy}</include>" if os.path.exists(policy) else ""
        with open("/run/dbus/lab.conf", "w", encoding="utf-8") as config:
            config.write(BUS_CONFIG.format(address=BUS, includes=includes))
        with open("/run/lab/bus.log", "ab") as log:
            self.bus = subprocess.Popen(["dbus-daemon", "--config-file=/run/dbus/lab.conf", "--nofork", "--nopidfile"],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("the bus listens", 10, lambda: os.path.exists("/run/dbus/system_bus_socket"), 0.02)

    @staticmethod
    def disable_huge_pages():
        """For this process and all that it starts. Where a balloon took single pages out of a huge one khugepaged fills it up
        again, so that a QEMU holds more than its balloon leaves the guest: what it touches could not be compared."""
        ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)

    def start_libvirtd(self):
        self.disable_huge_pages()
        libvirtd = LIBVIRTD_CONFIG.format(uuid=self.uuid) + (LIBVIRTD_CALLS_CONFIG if self.log_calls else "")
        for name, text in (("libvirtd.conf", libvirtd), ("qemu.conf", QEMU_CONFIG)):
            with open(f"/etc/libvirt/{name}", "w", encoding="utf-8") as config:
                config.write(text)
        with open("/run/lab/libvirtd.log", "ab") as log:
            self.libvirtd = subprocess.Popen(["nice", "-n", str(self.nice), "libvirtd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("libvirtd answers", 60, self.libvirtd_answers, 0.1)

    def install_hook(self):
        """dynmem's own hook file, with the dm-ctl and the configuration of this lab. libvirtd finds the first one when it
        starts, later ones at once."""
        with open(os.path.join(ROOT, "data", "50-dynmem.in"), encoding="utf-8") as template:
            text = template.read().replace("@bindir@", f"{self.build}/src/ctl")
        os.makedirs(os.path.dirname(HOOK_PATH), exist_ok=True)
        with open(HOOK_PATH, "w", encoding="utf-8") as hook:
            hook.write(text.replace("dm-ctl hook --", f"dm-ctl hook --config={DAEMON_CONFIG} --"))
        os.chmod(HOOK_PATH, 0o755)

    def remove_hook(self):
        os.unlink(HOOK_PATH)

    def libvirtd_answers(self):
        if self.libvirtd.poll() is not None:
            with open("/run/lab/libvirtd.log", encoding="utf-8", errors="replace") as log:
                raise LabError("libvirtd ended: " + log.read()[-2000:])
        return subprocess.run(["virsh", "-q", "-c", URI, "list"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def stop_libvirtd(self, how=signal.SIGTERM):
        self.libvirtd.send_signal(how)
        self.libvirtd.wait()

    def define(self, name, maximum, startup=None, transient=False, **settings):
        """Defines a guest, a transient one only in its file: see make_guest."""
        guest = self.make_guest(name, maximum, startup, **settings)
        if not transient:
            virsh("define", guest.file)
        return guest

    def make_guest(self, name, maximum, startup=None, cmdline="", balloon="virtio", managed=True, uuid=None, plugs=0,
                   devices="", device_mib=0, folder="/run/lab", snapshots=False, **settings):
        """Makes what a guest needs: its disk in the folder and the file with its XML. Sizes in MiB. plugs is how much
        memory can be plugged in, devices the XML of device_mib of it that it has from the start on; snapshots says
        whether its disk can hold some; settings are the attributes of the metadata element."""
        guest = Guest(self, name, maximum, startup or maximum)
        guest.has_driver = "lab.driver" not in cmdline
        attributes = " ".join(f'{key.replace("_", "-")}="{value}"' for key, value in settings.items())
        node = f"<numa><cell id='0' cpus='0' memory='{maximum}' unit='MiB'/></numa>" if plugs else ""
        xml = DOMAIN.format(
            kind=self.accel if self.accel == "kvm" else "qemu", name=name, images=self.images, cmdline=cmdline,
            memory=maximum + device_mib, startup=guest.startup, balloon=balloon,
            uuid=f"<uuid>{uuid}</uuid>" if uuid else "",
            slots=f"<maxMemory slots='4' unit='MiB'>{maximum + plugs}</maxMemory>" if plugs else "",
            metadata=f'<dynmem:memory xmlns:dynmem="urn:dynmem:domain:1" {attributes}/>' if managed else "",
            # A small translation cache: the default takes more memory than these guests have.
            features="" if self.accel == "kvm" else "<tcg><tb-cache unit='MiB'>64</tb-cache></tcg>",
            cpu=f"<cpu mode='host-passthrough'>{node}</cpu>" if self.accel == "kvm" else node and f"<cpu>{node}</cpu>",
            format="qcow2" if snapshots else "raw", folder=folder, devices=devices)
        disk = f"{folder}/{name}.swap"
        if snapshots:
            make_qcow2(disk, SWAP_MIB * MIB)
        else:
            with open(disk, "wb") as file:
                file.truncate(SWAP_MIB * MIB)
        with open(guest.file, "w", encoding="utf-8") as file:
            file.write(xml)
        self.guests[name] = guest
        return guest

    def start_guests(self, *guests):
        """Starts guests, all at once, and waits until they are up and their balloons are where they shall begin."""
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.wait_ready()
        for guest in guests:
            if guest.has_driver:
                wait_until(f"the balloon of {guest.name} is at {guest.startup} MiB", 90,
                           lambda guest=guest: guest.actual() == guest.startup)


class Guest:
    """One guest and its console."""

    def __init__(self, host, name, maximum, startup):
        self.host, self.name, self.maximum, self.startup = host, name, maximum, startup
        self.file = f"/run/lab/{name}.xml"
        self.has_driver = True  # from its start on
        self.socket = None
        self.received = b""

    def start(self):
        virsh("start", self.name)
        self.connect()

    def connect(self):
        if self.socket:
            self.socket.close()
        self.received = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{self.host.root}/run/lab/{self.name}.sock")

    def destroy(self):
        virsh("destroy", self.name)

    def _read_line(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.received:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(4096)
            except TimeoutError as error:
                raise LabError(f"the console of {self.name} said nothing for {seconds} s") from error
            if not data:
                raise LabError(f"the console of {self.name} is closed")
            self.received += data
        line, self.received = self.received.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def wait_ready(self, seconds=90 * PATIENCE):
        """Waits until a booting guest takes commands."""
        deadline = time.monotonic() + seconds
        while self._read_line(deadline - time.monotonic()) != "ready":
            pass

    def say(self, command, seconds=30 * PATIENCE):
        """Sends a command to the guest. Returns what it answers after "ok"."""
        self.ask(command)
        return self.wait_answer(command, seconds)

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\n")

    def wait_answer(self, command, seconds=30 * PATIENCE):
        deadline = time.monotonic() + seconds
        while True:
            answer = self._read_line(deadline - time.monotonic())
            if answer.startswith("ok"):
                return answer[2:].strip()
            if answer.startswith("error"):
                raise LabError(f"{self.name}: {command}: {answer}")

    def load(self, mib):
        """Makes the guest's programs need this much memory from now on."""
        self.say(f"load {mib}")

    def held(self):
        """MiB its programs have by now."""
        return int(dict(word.split("=") for word in self.say("state").split())["held"])

    def wait_held(self, mib, seconds=60):
        wait_until(f"{self.name} holds {mib} MiB", seconds, lambda: self.held() == mib)

    def pid(self):
        with open(f"/run/libvirt/qemu/{self.name}.pid", encoding="utf-8") as file:
            return int(file.read())

    def resident(self):
        """Memory of the host that its QEMU holds, in MiB."""
        with open(f"/proc/{self.pid()}/statm", encoding="utf-8") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / MIB

    def touched(self):
        """What its QEMU has of the guest's own memory, in MiB: of the mappings too large to be anything else."""
        size, touched = 0, 0
        with open(f"/proc/{self.pid()}/smaps", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key == "Size":
                    size = int(value.split()[0])
                elif key == "Rss" and size >= GUEST_MAPPING_KIB:
                    touched += int(value.split()[0])
        return touched / 1024

    def actual(self):
        """MiB the balloon leaves it, as libvirt tells without asking QEMU."""
        match = re.search(r"balloon\.current=(\d+)", virsh(
            "-c", self.host.uri, "domstats", "--balloon", "--nowait", self.name))
        return int(match.group(1)) / 1024


class Daemon:
    """One dynmemd."""

    def __init__(self, host, config, *options):
        self.host, self.options = host, options
        self.wrapper = ()
        self.process = None
        self.environment = os.environ
        self.configure(config)

    def configure(self, config):
        with open(DAEMON_CONFIG, "w", encoding="utf-8") as file:
            file.write(config)

    def start(self, seconds=30):
        with open("/run/lab/dynmemd.log", "ab") as log:
            self.process = subprocess.Popen([*self.wrapper, f"{self.host.build}/src/dynmemd", "--config", DAEMON_CONFIG,
                                             "--state-directory=/run/lab/state", *self.options], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        wait_until("dynmemd answers on the bus", seconds, self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise LabError(f"dynmemd ended with {self.process.returncode}:\n{self.log()[-3000:]}")
        return self.ctl_status("host") == 0

    def log(self):
        with open("/run/lab/dynmemd.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def ctl_status(self, *arguments):
        return subprocess.run([f"{self.host.build}/src/ctl/dm-ctl", *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment).returncode

    def ctl(self, *arguments):
        """The document that a verb of dm-ctl prints with --json."""
        program = LOOKER or f"{self.host.build}/src/ctl/dm-ctl"
        return json.loads(run([program, "--json", *arguments], env=self.environment))

    def guests(self):
        return {guest["name"]: guest for guest in self.ctl("list")["guests"]}

    def stop(self, how=signal.SIGTERM, seconds=15 * PATIENCE):
        """Ends it. Returns its exit status."""
        self.process.send_signal(how)
        return self.process.wait(timeout=seconds)

