# SPDX-License-Identifier: LGPL-2.1-or-later
"""
dynmem as its package brings it to a host that has been in use before: from its installation beside a guest that runs to the
moment when nothing is left of it.
"""

import json
import os
import re
import shlex

from host import CONFIG, mib, wait_until
from image import ROOT
from scene import ERROR, Scene, check

# Message ids of include/names.h.
TARGET_CHANGED = "bf0f682a9f1a4a4f83459d2874d6064f"
CONFIG_REJECTED = "ecf3fb945c5f4224a0bd47adcd4d79af"

STARTUP, MINIMUM = 512, 300
# In which the guest has room, with what its QEMU costs besides, and in which it is squeezed to its minimum.
ROOMY, TIGHT = 900, 300
DISK = "/srv/web.img"
PASSWORD = "tortoise"
LINK = "/var/lib/prometheus/node-exporter/dynmem.prom"


class WithGuest(Scene):
    """A host with a guest that was there before dynmem."""

    BEGINS = "web"

    def __init__(self, machine):
        super().__init__(machine)
        self.web = self.host.add("web", STARTUP, MINIMUM)

    @classmethod
    def prepare(cls, machine):
        """From the host that has just booted to where these cases begin. Returns the seconds of its guest's boot."""
        scene = cls(machine)
        scene.web.disk = DISK
        scene.host.run(f"fallocate -l 256M {DISK}")
        scene.web.define(managed=False)
        scene.host.start(scene.web)
        boot = scene.web.wait_ready()
        # ann is anybody, and boss one of whom polkit takes the password of an administrator
        scene.host.run(f"useradd ann && useradd -G sudo boss && echo boss:{PASSWORD} | chpasswd")
        return boot

    def installed(self):
        if self.host.run("dpkg-query -W dynmem 2>/dev/null", check=False) == "":
            self.host.install()
        self.wait_connected()

    def guest(self):
        """What nothing that becomes of dynmem itself may change: the guest's QEMU, its memory and settings."""
        said = dict(line.split("=", 1) for line in self.host.run("""
echo "pid=$(cat /run/libvirt/qemu/web.pid)"
echo "size=$(virsh dommemstat web | sed -n 's/^actual //p')"
echo "period=$(virsh dumpxml web | sed -n "s/.*<stats period=.\\([0-9]*\\).*/\\1/p")"
echo "element=$(virsh metadata web urn:dynmem:domain:1 2>/dev/null | tr -d '\\n')"
""").splitlines())
        return {**said, "size": int(said["size"]) // 1024}

    def limit(self):
        """Its memory.high, and what it holds."""
        files = self.host.limits()["web"]
        return files["memory.high"], int(files["memory.current"])

    def daemon(self):
        return self.host.run("systemctl show -P MainPID dynmemd").strip()

    def wait_connected(self):
        def connected():
            said = self.host.run("dm-ctl --json host", check=False)
            return said.startswith("{") and json.loads(said)["link"] == "read-write"

        wait_until("dynmemd is connected to libvirt", 60, connected)

    def check_untouched(self, before, mark):
        """The guest is as it was, and was never told anything else meanwhile."""
        after = self.guest()
        check(after == before, f"the guest was {before} and is {after}")
        high, current = self.limit()
        check(high == "max" or int(high) >= current, f"it is held back: memory.high is {high}, memory.current {current}")
        told = self.host.records(mark, TARGET_CHANGED, self.web)
        check(not told, "it was told another target: " + "; ".join(record["MESSAGE"] for record in told))
        wrong = [record["MESSAGE"] for record in self.host.records(mark) if int(record["PRIORITY"]) <= ERROR]
        check(not wrong, f"the journal has an error: {wrong}")

    def budget(self, size):
        self.host.configure(Host={"Budget": f"{size}MiB"})

    def hold(self, size):
        """Has the guest hold so much, and waits until it does."""
        self.machine.ask(self.web.name, f"load {size}")
        wait_until(f"the guest holds {size} MiB", 600,
                   lambda: f"held={size} " in self.machine.ask(self.web.name, "state"), 1)

    def squeeze(self):
        """Brings it about that the guest is managed and has less than it was started with. Returns how it is then."""
        self.host.run(f"dm-ctl set web minimum={MINIMUM}MiB startup={STARTUP}MiB buffer=0")
        self.host.wait_active(self.web)
        self.budget(TIGHT)
        self.host.wait_listed(self.web, "is squeezed", 120, lambda seen: mib(seen["assigned"]) <= MINIMUM + 16 and
                              seen["assigned"] == seen["target"])
        return self.guest()


class Package(WithGuest):
    """The package's life."""

    def as_user(self, name, command, check=False):
        return self.host.run(f"runuser -u {name} -- {command} 2>&1; echo \"exit $?\"", check=check)

    def case_package_is_installed_beside_a_running_guest(self):
        before, mark = self.guest(), self.host.journal_mark()
        self.host.install()
        self.host.run("systemctl enable --now dynmemd && systemctl is-enabled dynmemd && systemctl is-active dynmemd")
        self.wait_connected()
        seen = self.host.listed()["web"]
        check(seen["state"] == "static" and mib(seen["assigned"]) == STARTUP, f"dm-ctl list has {seen}")
        self.check_untouched(before, mark)
        check(self.limit()[0] == "max", "it was given a limit")
        wrong = self.host.run("journalctl -b -u dynmemd -p warning -o cat --no-pager -q").strip()
        check(not wrong, f"it says: {wrong}")
        check(self.host.ctl("paging")["available"], "paging files are not available: " + self.host.ctl("paging")["bar"])

    def case_unit_is_hardened(self):
        self.installed()
        status = dict(line.split(":\t") for line in self.host.run(f"cat /proc/{self.daemon()}/status").splitlines())
        check(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", f"no new privileges, filter: {status}")
        # CAP_SYS_ADMIN and CAP_SYS_RESOURCE
        check(int(status["CapBnd"], 16) == 1 << 21 | 1 << 24, f"its capabilities are {status['CapBnd']}")
        said = self.host.run("systemd-analyze security --no-pager dynmemd | tail -n 1")
        check(float(re.search(r"\d+\.\d+", said).group()) < 2.5, said)
        return said.strip().removeprefix("→ ")

    def case_ordinary_user_looks_and_changes_nothing(self):
        self.installed()
        before = self.guest()
        said = self.as_user("ann", "dm-ctl list")
        check("web" in said and said.endswith("exit 0\n"), f"dm-ctl list: {said}")
        said = self.as_user("ann", "dm-ctl set web minimum=300MiB")
        check("exit 1" in said and "as root" in said and "password" in said, f"dm-ctl set: {said}")
        check(self.guest() == before, "something was changed")
        return said.splitlines()[0]

    def case_administrator_is_asked_for_a_password(self):
        self.installed()
        # a terminal, on which the password is typed once it is asked for
        said = self.host.run(f"""
rm -f /run/typed /run/shown && mkfifo /run/typed
script -qfec "runuser -u boss -- dm-ctl set web minimum={MINIMUM}MiB" /run/shown </run/typed >/dev/null &
exec 3>/run/typed
for step in $(seq 300); do
    grep -q Password: /run/shown && break
    kill -0 $! || break
    sleep 0.2
done
echo {PASSWORD} >&3
wait $!
status=$?
cat /run/shown
exit $status""")
        check("Password:" in said, f"no password was asked for: {said}")
        check(f"minimum=\"{MINIMUM}MiB\"" in self.guest()["element"].replace("'", '"'), f"nothing was set: {said}")
        left = self.host.run("pgrep -a pkttyagent", check=False)
        check(not left, f"left: {left}")

    def case_reload_takes_good_lines_and_names_bad_ones(self):
        self.installed()
        self.host.run(f"dm-ctl set web minimum={MINIMUM}MiB startup={STARTUP}MiB buffer=0")
        self.host.wait_active(self.web)
        mark = self.host.journal_mark()
        self.machine.write(CONFIG, f"[Host]\nBudgte=5GiB\nBudget={TIGHT}MiB\nReserve=plenty\n")
        self.host.run("systemctl reload dynmemd")
        self.host.wait_listed(self.web, "is squeezed", 120, lambda seen: mib(seen["assigned"]) <= MINIMUM + 16)
        told = [record["MESSAGE"] for record in self.host.records(mark, CONFIG_REJECTED)]
        for line, word in ((2, "Budgte"), (4, "Reserve")):
            check(any(f"{CONFIG}:{line}" in text and word in text for text in told), f"line {line}: it says {told}")
        check(len(told) == 2, f"it says: {told}")
        check(mib(self.host.ctl("host")["budget"]) <= TIGHT, "the good line is not in force")
        self.budget(ROOMY)
        wait_until("the guest's limit is raised", 60, lambda: mib(self.host.ctl("host")["budget"]) > TIGHT)
        return "; ".join(told)

    def case_journal_tells_the_story_of_a_guest(self):
        self.installed()
        self.squeeze()
        story = self.host.run("journalctl --no-pager -q -o cat DYNMEM_GUEST=web").splitlines()
        check(all("web" in line for line in story), f"of others, too: {story}")
        for words in ("Guest web is managed from now on: minimum", "Target of guest web lowered"):
            check(any(words in line for line in story), f"'{words}' is not there: {story}")
        said = self.host.run(f"journalctl --no-pager -q -x MESSAGE_ID={TARGET_CHANGED} DYNMEM_GUEST=web")
        check("Subject: Memory target of guest web changed" in said and "dm-ctl explain web" in said,
              f"not the text of the catalog: {said}")
        return f"{len(story)} lines"

    def case_metrics_are_where_node_exporter_looks(self):
        self.installed()
        check(self.host.run(f"readlink -f {LINK}").strip() == "/run/dynmem/metrics.prom", "there is no link")
        wait_until("the metrics have the guest", 30, lambda: re.search(
            r'^dynmem_guest_assigned_bytes\{.*domain="web".*\} \d+', self.as_user("ann", f"cat {LINK}"), re.MULTILINE))

    def case_test_of_the_debian_package_passes(self):
        self.installed()
        for name in ("smoke", "three-guests.ini"):
            with open(os.path.join(ROOT, "debian", "tests", name), encoding="utf-8") as file:
                self.machine.write(f"/run/debian-tests/{name}", file.read())
        return self.host.run("sh /run/debian-tests/smoke", 600).splitlines()[-1]

    def case_restart_and_upgrade_leave_guests_alone(self):
        self.installed()
        before, mark, daemon = self.squeeze(), self.host.journal_mark(), self.daemon()
        for what, restart in (("restart", lambda: self.host.run("systemctl restart dynmemd")),
                              ("upgrade", lambda: self.host.install("--reinstall"))):
            restart()
            check(self.daemon() not in (daemon, "0"), f"{what}: it was not started anew")
            daemon = self.daemon()
            self.wait_connected()
            self.host.wait_active(self.web)
            self.check_untouched(before, mark)

    def case_daemon_that_hangs_is_started_anew(self):
        self.installed()
        before, mark, daemon = self.squeeze(), self.host.journal_mark(), self.daemon()
        self.host.run("systemctl kill -s STOP dynmemd")
        wait_until("its watchdog has it started anew", 300, lambda: self.daemon() not in (daemon, "0"), 2)
        self.wait_connected()
        self.host.wait_active(self.web)
        check("watchdog" in self.host.run(f"journalctl --no-pager -o cat -u dynmemd --after-cursor={shlex.quote(mark)}"),
              "it was not the watchdog")
        self.check_untouched(before, mark)

    def case_hook_is_installed_by_one_command(self):
        self.installed()
        # until then there is a warning, and no problem
        self.host.run("dm-ctl check")
        said = self.host.ctl("check", "--install-hook")
        check(said["changed"], f"nothing was installed: {said}")
        self.host.run(f"[ -x {said['path']} ] && systemctl reload libvirtd")
        problems = [check["text"] for check in self.host.ctl("check")["checks"] if check["level"] == "problem"]
        check(not problems, "; ".join(problems))
        return said["path"]

    def case_nothing_is_left_of_a_purged_package(self):
        self.installed()
        before = self.squeeze()
        self.host.run("dm-ctl check --install-hook")
        self.budget(ROOMY)
        said = self.host.apt("remove", "dynmem")
        after = wait_until("the guest has its startup memory", 60,
                           lambda: (seen := self.guest())["size"] >= STARTUP - 1 and seen, 2)
        check(after["pid"] == before["pid"] and self.limit()[0] == "max", f"the guest is {after}, {self.limit()}: {said}")
        check("<memory" in after["element"], "its settings are gone")
        check(not after["period"], "its balloon still reports")
        said = self.host.apt("purge", "dynmem")
        # what man keeps of pages that were read is man's own: it takes it away once a day
        left = self.host.run("find / -xdev -path /proc -prune -o -path /srv -prune -o -path /var/cache/man -prune -o "
                             "-name '*dynmem*' -print; "
                             "find /run /sys/fs/cgroup -path /run/udev -prune -o -name '*dynmem*' -print; "
                             "find /etc -xtype l -path '*systemd*'; "
                             "[ ! -e /etc/libvirt/hooks/qemu.d ] || ls -d /etc/libvirt/hooks/qemu.d; "
                             "getent passwd dynmem; systemctl list-unit-files --no-legend 'dynmem*'; "
                             "systemctl list-units --all --no-legend 'dynmem*'; busctl list --no-legend | grep dynmem",
                             check=False)
        check(not left, f"left: {left}after {said}")
