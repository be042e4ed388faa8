# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What may happen while a guest has a paging file: a case for each pair of a stage of the file and an event. In the end the guest runs and
its file is gone, whatever has become of either; the other guests have gone on, limits are as they were, and no more is booked than
there is.

Not here: a file that is being made, or taken over, is that for less than a second; its states are those of the simulated world
(tests/world, tests/sim). A guest with a file is not migrated, and the host's bus can't be taken from a host that goes on. One that
hibernates empties its balloon and is off then, as by driver_unloaded and guest_destroyed; the lab has it in full (tests/lab/matrix.py).
"""

import signal
import time

from four import ENDED, MINIMUM, MINIMUMS, OVER_BUDGET, ROOMY, TOUCH, Four
from host import wait_until
from machine import HostError
from scene import check

PLACE = "/var/lib/dynmem"
# What dynmemd has to say of an event beyond warnings.
EXPECTED = {"host_out_of_memory": (OVER_BUDGET, MINIMUMS)}
OFF, SAVED = "boots anew", "goes on"


class Events:
    """What happens to guest. Each returns what its next start does where that is needed: OFF or SAVED."""

    def __init__(self, scene, guest):
        self.scene, self.guest, self.run = scene, guest, scene.host.run

    def nothing(self):
        pass

    def guest_killed(self):
        self.run(f"kill -KILL $(cat /run/libvirt/qemu/{self.guest.name}.pid)")
        self.wait_off()
        return OFF

    def guest_destroyed(self):
        self.run(f"virsh -q destroy {self.guest.name}")
        return OFF

    def guest_reset_again(self):
        self.scene.host.reset(self.guest)

    def guest_paused(self):
        self.run(f"virsh -q suspend {self.guest.name}")
        time.sleep(10)
        self.run(f"virsh -q resume {self.guest.name}")

    def guest_stopped(self):
        """Its QEMU answers nobody."""
        self.run(f"kill -STOP $(cat /run/libvirt/qemu/{self.guest.name}.pid)")
        time.sleep(15)
        self.run(f"kill -CONT $(cat /run/libvirt/qemu/{self.guest.name}.pid)")

    def guest_saved(self):
        self.run(f"virsh -q managedsave {self.guest.name}")
        return SAVED

    def guest_undefined(self):
        """It runs on without a definition."""
        self.run(f"virsh -q undefine {self.guest.name}")

    def settings_changed(self):
        self.run(f"dm-ctl set {self.guest.name} minimum=200MiB smart-paging=no")

    def libvirtd_restarted(self):
        self.run("systemctl restart libvirtd")

    def libvirtd_killed(self):
        self.run("systemctl kill -s KILL libvirtd")

    def dynmemd_restarted(self):
        self.run("systemctl restart dynmemd")

    def dynmemd_away(self):
        self.run("systemctl stop dynmemd")
        time.sleep(20)
        self.run("systemctl start dynmemd")

    def dynmemd_killed(self):
        self.run("systemctl kill -s KILL dynmemd")

    def dynmemd_hangs(self):
        """Until its watchdog has it killed."""
        before = self.daemon()
        self.run("systemctl kill -s STOP dynmemd")
        wait_until("dynmemd is started anew", 300, lambda: self.daemon() not in (before, "0"), 2)

    def journald_stopped(self):
        self.run("systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald")
        time.sleep(10)
        self.run("systemctl start systemd-journald.socket systemd-journald-dev-log.socket systemd-journald")

    def polkit_stopped(self):
        self.run("systemctl stop polkit")

    def driver_unloaded(self):
        """Its balloon gives back all that it holds, whatever the host has."""
        self.scene.machine.ask(self.guest.name, "driver off")
        time.sleep(20)
        self.scene.machine.ask(self.guest.name, "driver on")

    def host_out_of_memory(self):
        """A program takes all there is, until the kernel kills it. Meanwhile nothing goes on, but dynmemd does."""
        before = self.daemon()
        said = self.run("(echo 1000 >/proc/self/oom_score_adj; exec tail /dev/zero) 2>&1; echo $?", 600)
        check(said.strip().endswith("137"), f"the program was not killed: {said}")
        check(self.daemon() == before, "dynmemd did not live through it")

    def disk_full(self):
        self.run(f"fallocate -l 100G {PLACE}/filled 2>/dev/null; dd if=/dev/zero of={PLACE}/filled bs=1M 2>/dev/null", check=False)
        time.sleep(10)
        self.run(f"rm {PLACE}/filled")

    def file_system_read_only(self):
        """Where the files are, for a while."""
        self.run(f"mount --bind {PLACE} {PLACE} && mount -o remount,bind,ro {PLACE}")
        time.sleep(20)
        self.run(f"umount -l {PLACE}")

    def clock_stepped(self):
        """Two hours on, then to two hours before."""
        self.run("systemctl stop systemd-timesyncd chrony 2>/dev/null || true\ndate -s '+2 hours'")
        time.sleep(10)
        self.run("date -s '-4 hours'")

    def host_suspended(self):
        """It stands still, with all that runs on it."""
        self.scene.machine.process.send_signal(signal.SIGSTOP)
        time.sleep(60)
        self.scene.machine.process.send_signal(signal.SIGCONT)

    def daemon(self):
        return self.run("systemctl show -P MainPID dynmemd", check=False).strip()

    def wait_off(self):
        wait_until(f"{self.guest.name} is off", 60, self.guest.is_off, 1)


class Full(Four):
    """A host on which a guest that restarts finds no more than its minimum, so that its file is used."""

    def begin(self):
        super().begin()
        self.set_budget(4 * MINIMUM)


class Files(Full):
    """A guest that restarts, and gets a file."""

    def start_again(self, guest):
        """A full host has it wait until there is room. One that was saved before its balloon came down brings more than there will be."""
        try:
            self.host.run(f"virsh -q start {guest.name}", 300)
        except HostError as error:
            check("what would help: a larger [Host] Budget=" in str(error), str(error))
            self.set_budget(ROOMY)
            self.host.run(f"virsh -q start {guest.name}", 300)

    def fits(self):
        host = self.host.ctl("host")
        return host["committed"] <= host["budget"] and host["startsAdmitted"] == 0

    def play(self, stage, event):
        self.begin()
        guest, *others = self.guests
        guest.next_boots(touch=TOUCH)
        self.host.reset(guest)
        self.wait_file(guest)
        if stage == "leaves":
            guest.wait_ready()
        there = self.has_file(guest)
        since = time.monotonic()
        start = getattr(Events(self, guest), event)()
        if start == OFF:
            guest.began = time.monotonic()
        if start:
            self.start_again(guest)
        if stage == "boots" or guest.began > since:
            guest.wait_ready()
        self.wait_gone()
        self.host.wait_active(*self.guests)
        self.check_clean(*EXPECTED.get(event, ()))
        wait_until("all that is booked fits", 60, self.fits, 1)
        for other in others:
            check(self.machine.console(other.name, "^ready", since) is None, f"{other.name} has begun anew")
            self.machine.ask(other.name, "state")
        return "" if there else "its file was gone by then"


class Disk(Full):
    """A paging file on a disk of its own, which fails, and is mended as its administrator would."""

    FOLDER = "/disk/paging"
    PAGING = {"Directory": FOLDER, "MinimumFreeDisk": "1MiB"}

    def begin(self):
        super().begin()
        self.host.run("""modprobe -a loop dm-mod
truncate -s 1G /srv/failing
loop=$(losetup -f --show /srv/failing)
size=$(blockdev --getsz $loop)
echo "0 $size linear $loop 0" >/run/disk-good
echo "0 $size error" >/run/disk-bad
dmsetup create failing /run/disk-good
mkfs.ext4 -q /dev/mapper/failing
mkdir -p /disk
mount /dev/mapper/failing /disk
mkdir -m 700 /disk/paging""")
        self.set_budget(4 * MINIMUM, **self.PAGING)

    def disk_is(self, table):
        self.host.run(f"dmsetup suspend --noflush failing; dmsetup load failing /run/disk-{table}; dmsetup resume failing")

    def mend(self):
        """The disk reads again, and its file system, which the kernel has given up, is checked and mounted anew."""
        self.disk_is("good")
        self.host.run("umount -l /disk; e2fsck -fp /dev/mapper/failing; [ $? -lt 4 ] && mount /dev/mapper/failing /disk")

    def restart(self, guest):
        guest.next_boots(touch=TOUCH)
        self.host.reset(guest)
        self.wait_file(guest)

    def file_is_used(self):
        return any(used > 1024 for _, used in self.host.swaps().values())

    def file_is_gone(self):
        return not self.host.swaps() and not self.host.paging_files(self.FOLDER)

    def play(self, stage):
        """The guest dies of it, as no page of it can be had; all others go on."""
        self.begin()
        guest, *others = self.guests
        self.restart(guest)
        wait_until("its file is used, or gone", 600, lambda: self.file_is_used() or not self.has_file(guest))
        if stage == "leaves":
            guest.wait_ready()
        check(self.has_file(guest), "its file was gone by then")
        since = time.monotonic()
        self.disk_is("bad")
        wait_until("the guest has died of it", 300, guest.is_off, 1)
        wait_until("the file is off", 120, lambda: not self.host.swaps(), 1)
        wait_until("all limits are as they were", 30, lambda: not self.wrong_limits(), 2)
        told = self.host.records(self.mark, ENDED, guest)[-1]["MESSAGE"]
        self.mend()
        left = self.host.paging_files(self.FOLDER)
        wait_until("nothing is left of it on its disk", 120, self.file_is_gone, 2)
        # and it is of use again
        self.set_budget(ROOMY, **self.PAGING)
        self.host.start(guest)
        guest.wait_ready()
        self.set_budget(4 * MINIMUM, **self.PAGING)
        self.wait_squeezed()
        self.restart(guest)
        guest.wait_ready()
        wait_until("its next file is gone", 300, self.file_is_gone, 2)
        self.check_clean(OVER_BUDGET, MINIMUMS)
        for other in others:
            check(self.machine.console(other.name, "^ready", since) is None, f"{other.name} has begun anew")
            self.machine.ask(other.name, "state")
        return f"{told}{' It was back on the mended disk.' if left else ''}"

    def case_file_boots_on_a_disk_that_fails(self):
        return self.play("boots")

    def case_file_leaves_a_disk_that_fails(self):
        return self.play("leaves")


class Killers(Full):
    """Who is killed on a host whose memory is full, as it is meant to be, and so is a paging file."""

    def fill_file(self):
        """g1 restarts, and stays in its file."""
        guest = self.guests[0]
        guest.next_boots(touch=TOUCH, driver=False)
        self.host.reset(guest)
        self.wait_file(guest)
        wait_until("the file is used", 600, lambda: any(4 * used > size for size, used in self.host.swaps().values()), 1)

    def come_back(self):
        guest = self.guests[0]
        guest.next_boots(touch=0)
        self.host.reset(guest)
        guest.wait_ready()
        self.wait_gone()
        self.check_clean()

    def checked(self, name):
        """What dm-ctl check says of it."""
        return next(found for found in self.host.ctl("check", check=False)["checks"] if found["name"] == name)

    def case_oomd_kills_nobody_because_of_a_file(self):
        self.begin()
        self.host.run("mkdir -p /run/systemd/oomd.conf.d && printf '[OOM]\nSwapUsedLimit=10%%\n' >/run/systemd/oomd.conf.d/test.conf && "
                      "systemctl set-property --runtime -- -.slice ManagedOOMSwap=kill && systemctl start systemd-oomd")
        self.fill_file()
        time.sleep(30)  # it looks each second
        told = self.host.run("oomctl; journalctl --no-pager -o cat -b -u systemd-oomd")
        check("/" in told.split("Swap Monitored CGroups:")[1].split("Memory Pressure")[0], f"it watches no swap: {told}")
        check("Killed" not in told, f"somebody was killed: {told}")
        running = self.host.run("virsh list --name").split()
        check(len(running) == len(self.guests), f"only {running} run")
        said = self.checked("oomd")
        self.host.run("systemctl stop systemd-oomd")
        self.come_back()
        return f"{len(running)} guests run on; dm-ctl check: {said['level']}, {said['text']}"

    def case_earlyoom_is_told_to_pass_guests_over(self):
        self.begin()
        self.fill_file()
        # it would act at once, and only says on whom
        victims = [self.victim(options) for options in ("", "--avoid '^qemu'")]
        check("qemu" in victims[0] and "qemu" not in victims[1], f"it chooses {victims}")
        self.host.run("systemctl start earlyoom")
        before = self.checked("earlyoom")
        self.machine.write("/etc/default/earlyoom", "EARLYOOM_ARGS=\"-r 3600 --avoid '^qemu'\"\n")
        self.host.run("systemctl restart earlyoom")
        after = self.checked("earlyoom")
        check(after["level"] == "ok", f"dm-ctl check: {after}")
        self.host.run("systemctl stop earlyoom")
        self.come_back()
        return f"dm-ctl check: {before['level']}, {before['text']}; then {after['level']}"

    def victim(self, options):
        said = self.host.run(f"timeout 10 earlyoom --dryrun -m 99 -s 100 -r 0 {options} 2>&1", check=False)
        return next((line for line in said.splitlines() if "to process" in line), said)


def make_case(stage, event):
    return lambda self: self.play(stage, event)


# A guest that boots has no driver yet.
LEFT_OUT = (("boots", "driver_unloaded"),)

for _stage in ("boots", "leaves"):
    for _event in (name for name in vars(Events) if not name.startswith("_") and name not in ("daemon", "wait_off")):
        if (_stage, _event) not in LEFT_OUT:
            setattr(Files, f"case_file_{_stage}_and_{_event}", make_case(_stage, _event))
