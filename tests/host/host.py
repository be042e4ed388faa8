# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The host in the VM as its administrator sees it: guests, dynmemd, dm-ctl, the journal, and what the kernel says of swap and
limits. Sizes are MiB where nothing else is said.
"""

import json
import shlex
import time
import uuid

from machine import MIB, HostError, LateError

CONFIG = "/etc/dynmem/dynmemd.conf.d/host-test.conf"
PAGING = "/var/lib/dynmem/paging"

DOMAIN = """<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>{maximum}</memory>
  <currentMemory unit='MiB'>{startup}</currentMemory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/srv/guest-kernel</kernel>
    <initrd>/srv/guest-initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 no_timer_check lab.pause=5</cmdline>
  </os>
  <features>{features}</features>
  <resource><partition>{partition}</partition></resource>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    {disk}
    <serial type='file'><source path='/run/guests/{name}.log'/><target port='0'/></serial>
    <serial type='unix'><source mode='bind' path='/run/guests/{name}.sock'/><target port='1'/></serial>
    <memballoon model='virtio' freePageReporting='on'/>
  </devices>
</domain>
"""
# Sets $group.
GROUP = """group=$(sed -n 's/^0:://p' "/proc/$(cat "{pid_file}")/cgroup")
group=/sys/fs/cgroup${{group%/libvirt*}}/libvirt
"""

DISK = """<disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='writeback' io='threads'/>
      <source file='{path}'/>
      <target dev='vda' bus='virtio'/>
    </disk>"""


def wait_until(what, seconds, condition, every=0.5):
    """Waits until condition() is true, and returns that value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LateError(f"waited {seconds} s in vain until {what}")
        time.sleep(every)


class Guest:
    """One guest of the host."""

    def __init__(self, host, name, startup, minimum):
        self.host, self.name, self.startup, self.minimum = host, name, startup, minimum
        self.disk = ""  # the file of its disk, if it is to have one
        self.partition = "/machine"  # libvirt's default
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.dynmem.test"))
        self.began = 0.0  # when it was last started or reset

    def define(self, managed=True):
        element = (f'<dynmem:memory xmlns:dynmem="urn:dynmem:domain:1" minimum="{self.minimum}MiB" '
                   f'startup="{self.startup}MiB" buffer="0"/>')
        xml = DOMAIN.format(
            name=self.name, uuid=self.uuid, maximum=self.startup, startup=self.startup, metadata=element if managed else "",
            disk=DISK.format(path=self.disk) if self.disk else "", partition=self.partition,
            # A small translation cache: the default takes more memory than these guests have.
            features="<tcg><tb-cache unit='MiB'>32</tb-cache></tcg>")
        self.host.run(f"cat >/run/{self.name}.xml <<'END'\n{xml}END\nvirsh -q define /run/{self.name}.xml")

    def wait_ready(self, seconds=1200):
        """Waits until its last boot has come as far as its init. Returns the seconds from its start."""
        return self.host.machine.wait_console(self.name, "^ready", self.began, seconds) - self.began

    def is_off(self):
        return self.host.run(f"virsh domstate {self.name}").strip() == "shut off"

    def next_boots(self, touch=0, driver=True):
        """How it shall boot after its next resets: what it writes to first, in MiB, and whether with a balloon."""
        self.host.machine.ask(self.name, f"next {0 if driver else 1} {touch // 4}")


class Host:
    """What can be done on the host. machine must be up."""

    def __init__(self, machine):
        self.machine = machine
        self.run = machine.run
        self.guests = {}

    # ---- guests ----

    def add(self, name, startup, minimum):
        guest = Guest(self, name, startup, minimum)
        self.guests[name] = guest
        return guest

    def start(self, *guests, seconds=300):
        """Starts guests, all at once, and waits until they run (their kernels not)."""
        begun = []
        for guest in guests:
            guest.began = time.monotonic()
            begun.append(self.machine.begin(f"virsh -q start {guest.name}"))
        for guest, number in zip(guests, begun):
            status, output = self.machine.end(number, seconds, f"{guest.name} is started")
            if status != 0:
                raise HostError(f"{guest.name} was not started: {output}")

    def reset(self, *guests):
        """Resets guests, all at once. Returns when."""
        now = time.monotonic()
        for guest in guests:
            guest.began = now
        self.run("\n".join(f"virsh -q reset {guest.name} &" for guest in guests) + "\nwait")
        return now

    # ---- dynmem ----

    def install(self, *options):
        """Installs the package. Returns what apt-get printed."""
        return self.apt("install", *options, "/srv/dynmem.deb")

    def apt(self, *arguments):
        """Runs apt-get, which takes minutes where the machine is slow. Returns what it printed."""
        return self.run(f"DEBIAN_FRONTEND=noninteractive apt-get -y {shlex.join(arguments)} 2>&1", 1200)

    def ctl(self, *arguments, seconds=300, check=True):
        """The document that a verb of dm-ctl prints with --json. check: it is to end with a status of 0."""
        return json.loads(self.run(f"dm-ctl --json {shlex.join(arguments)}", seconds, check))

    def listed(self):
        return {guest["name"]: guest for guest in self.ctl("list")["guests"]}

    def configure(self, **groups):
        """Writes the settings and has them loaded: configure(Host={"Budget": "1GiB"})."""
        text = "".join(f"[{group}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
                       for group, keys in groups.items())
        self.machine.write(CONFIG, text)
        self.run("systemctl reload dynmemd")

    def wait_listed(self, guest, what, seconds, condition, every=1.0):
        def met():
            seen = self.listed().get(guest.name)
            return seen if seen and condition(seen) else None

        return wait_until(f"{guest.name} {what}", seconds, met, every)

    def wait_active(self, *guests, seconds=300):
        deadline = time.monotonic() + seconds
        for guest in guests:
            self.wait_listed(guest, "is active", max(1, deadline - time.monotonic()),
                             lambda seen: seen["state"] == "active")

    # ---- what it tells ----

    def journal_mark(self):
        """For records()."""
        return self.run("journalctl --no-pager -n 1 --show-cursor -o cat | sed -n 's/^-- cursor: //p'").strip()

    def boot_mark(self):
        """The same of the first record of this boot."""
        return json.loads(self.run("journalctl --no-pager -b -q -o json --output-fields=MESSAGE | head -n 1"))["__CURSOR"]

    def records(self, mark, messages=None, guest=None):
        """What dynmemd told the journal since a mark: records as dictionaries, of these message ids, about one guest."""
        # Not chosen by journalctl: with a choice that the marked record is not part of, it leaves out the first one.
        said = self.run(f"journalctl --no-pager -o json --after-cursor={shlex.quote(mark)} "
                        "| grep -F '\"_SYSTEMD_UNIT\":\"dynmemd.service\"'", check=False)
        found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return [record for record in found if (not messages or record.get("MESSAGE_ID", "none") in messages) and
                (not guest or record.get("DYNMEM_GUEST") == guest.name)]

    # ---- the kernel ----

    def swaps(self):
        """/proc/swaps: {path: (size, used) in KiB}."""
        lines = self.run("cat /proc/swaps").splitlines()[1:]
        return {fields[0]: (int(fields[2]), int(fields[3])) for fields in (line.split() for line in lines)}

    def paging_files(self, *directories):
        return self.run(f"find {shlex.join(directories or (PAGING,))} -xdev -name '*.dynmem-paging' 2>/dev/null",
                        check=False).split()

    def group(self, guest):
        """The folder of a running guest's cgroup."""
        return self.run(GROUP.format(pid_file=f"/run/libvirt/qemu/{guest.name}.pid") + "echo \"$group\"").strip()

    def limits(self):
        """Of each running guest: {name: {file of its cgroup: text}}."""
        said = self.run(r'''
for pid_file in /run/libvirt/qemu/*.pid; do
    case $pid_file in *'*'*|*/driver.pid) continue ;; esac
    name=${pid_file##*/}
    ''' + GROUP.format(pid_file="$pid_file") + r'''
    for file in memory.high memory.swap.max memory.current memory.swap.current memory.max; do
        echo "${name%.pid} $file $(cat "$group/$file")"
    done
done''')
        limits = {}
        for line in said.splitlines():
            name, file, value = line.split()
            limits.setdefault(name, {})[file] = value
        return limits

    def other_swap_limits(self):
        """memory.swap.max of everything that is no guest and next to them: {cgroup: text}."""
        said = self.run("cd /sys/fs/cgroup && grep -s . */memory.swap.max system.slice/*/memory.swap.max")
        return dict(line.split(":") for line in said.splitlines())


def mib(size):
    return size // MIB
