# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What the host VM is made of: a Debian root with systemd, libvirt and QEMU, made by mmdebstrap; a disk image of it; in /srv the
package of dynmem that tools/package makes, which the cases install, and the kernel and initrd of the guests inside. Everything
is made below one folder of the build folder, and kept there for the next run.
"""

import ctypes
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DISK_SIZE = 6 << 30
# All a step starts ends with it, also when it is killed; what it mounts is seen by nobody else.
ALONE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")
PR_SET_PDEATHSIG = 1

SUITE = "bookworm"
PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "initramfs-tools", "linux-image-cloud-amd64", "libvirt-daemon-system",
    "libvirt-clients", "qemu-system-x86", "polkitd", "kmod", "iproute2", "busybox-static", "procps", "libglib2.0-0",
    "libvirt-glib-1.0-0", "libjson-glib-1.0-0", "libncursesw6", "libsmartcols1", "libsystemd0",
    "man-db",  # for the test of the Debian package
    "systemd-oomd", "earlyoom",  # for those who start them
)
# Its initrd needs these modules only: one with everything takes long to make, and to unpack under emulation.
INITRD_MODULES = ("virtio_pci", "virtio_blk", "virtio_console", "ext4")

QEMU_CONFIG = """
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
"""

AGENT_UNIT = """[Unit]
Description=Does what the machine outside says
DefaultDependencies=no
After=local-fs.target dev-virtio\\x2dports-dynmem.device
Wants=dev-virtio\\x2dports-dynmem.device
[Service]
ExecStart=/usr/local/sbin/host-agent
Restart=always
RestartSec=1
OOMScoreAdjust=-1000
OOMPolicy=continue
[Install]
WantedBy=sysinit.target
"""

# Only what must run on a host: the rest costs time at each boot under emulation. libvirt-guests would save guests when the
# host goes down, and a guest that is saved has not restarted.
NEEDLESS = (
    "libvirt-guests.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "man-db.timer", "getty@tty1.service", "getty.target", "console-getty.service",
    "systemd-networkd.service", "networking.service", "systemd-tmpfiles-clean.timer", "systemd-firstboot.service",
    "systemd-pstore.service", "libvirtd-tls.socket", "libvirtd-tcp.socket",
)


class ImageError(Exception):
    """Something the image needs could not be made."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Image:
    """Makes what is missing or older than what it is made of. directory is where."""

    def __init__(self, directory):
        self.directory = directory
        self.root = os.path.join(directory, "root")
        self.disk = os.path.join(directory, "disk.raw")
        self.guest = os.path.join(directory, "guest")
        self.failure = None

    def run(self, name, *command):
        """Runs one step; what it prints goes to a log."""
        log_name = os.path.join(self.directory, f"{name}.log")
        temporary = os.path.join(self.directory, "tmp")
        os.makedirs(temporary, exist_ok=True)
        with open(log_name, "wb") as log:
            process = subprocess.Popen([*ALONE, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=die_with_parent, env=dict(os.environ, TMPDIR=temporary))
            try:
                status = process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        if status != 0:
            with open(log_name, encoding="utf-8", errors="replace") as log:
                raise ImageError(f"{name} failed with {status}:\n" + log.read()[-3000:])

    def make(self, say):
        """Makes everything; the guests' kernel beside the rest, see wait_for_guest()."""
        if os.geteuid() != 0:
            raise PermissionError("a host VM needs the privilege of root")
        os.makedirs(self.directory, exist_ok=True)
        shutil.rmtree(os.path.join(self.directory, "tmp"), ignore_errors=True)
        self.kernel_maker = threading.Thread(target=self.make_guest, daemon=True)
        self.kernel_maker.start()
        self.make_root(say)
        self.configure()
        self.make_package(say)
        self.kernel_maker.join()
        if self.failure:
            raise self.failure
        self.make_disk()

    def make_guest(self):
        try:
            self.run("guest-kernel", os.path.join(HERE, "guest", "make-kernel"), self.guest)
            self.run("guest-initrd", os.path.join(ROOT, "tests", "lab", "guest", "make-image"), self.guest)
        except (ImageError, OSError) as error:
            self.failure = error

    def make_root(self, say):
        recipe = hashlib.sha256(repr((SUITE, PACKAGES, INITRD_MODULES)).encode()).hexdigest()
        mark = os.path.join(self.directory, "root.made")
        if os.path.exists(mark) and open(mark, encoding="utf-8").read() == recipe:
            return
        say("installing Debian for the host VM")
        shutil.rmtree(self.root, ignore_errors=True)
        modules = "\\n".join(INITRD_MODULES)
        self.run("root", "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}",
                 '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"',
                 '--essential-hook=printf "MODULES=list\\nCOMPRESS=gzip\\n" >"$1/etc/initramfs-tools/conf.d/host-vm"',
                 f'--essential-hook=printf "{modules}\\n" >"$1/usr/share/initramfs-tools/modules.d/host-vm"',
                 "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
                 SUITE, self.root)
        with open(mark, "w", encoding="utf-8") as file:
            file.write(recipe)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def configure(self):
        self.write("etc/fstab", "/dev/vda / ext4 defaults 0 0\n")
        self.write("etc/hostname", "host\n")
        self.write("etc/machine-id", hashlib.md5(b"host VM of dynmem").hexdigest() + "\n")
        self.write("etc/libvirt/qemu.conf", QEMU_CONFIG)
        self.write("etc/systemd/system/host-agent.service", AGENT_UNIT)
        with open(os.path.join(HERE, "agent"), encoding="utf-8") as agent:
            self.write("usr/local/sbin/host-agent", agent.read(), 0o755)
        network = os.path.join(self.root, "etc/libvirt/qemu/networks/autostart/default.xml")
        if os.path.lexists(network):
            os.unlink(network)
        os.makedirs(os.path.join(self.root, "var/log/journal"), exist_ok=True)
        self.run("units", "chroot", self.root, "sh", "-c",
                 f"systemctl enable host-agent.service && systemctl disable systemd-oomd earlyoom && systemctl mask {' '.join(NEEDLESS)}")

    def make_package(self, say):
        """/srv/dynmem.deb, made anew where something has changed that it is made of."""
        def packages():
            return glob.glob(os.path.join(ROOT, "build-package", "dynmem_*.deb"))

        files = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0")
        newest = max(os.stat(path).st_mtime for path in (os.path.join(ROOT, name) for name in files)
                     if os.path.isfile(path) and not path.startswith(os.path.join(ROOT, "tests")))
        if not any(os.stat(package).st_mtime > newest for package in packages()):
            say("making the package of dynmem")
            began = time.time()
            self.run("package", os.path.join(ROOT, "tools", "package"), "--no-tests", "deb")
            os.utime(packages()[0], (began, began))
        shutil.copyfile(packages()[0], os.path.join(self.root, "srv", "dynmem.deb"))

    def make_disk(self):
        for name in ("kernel", "initrd"):
            target = os.path.join(self.root, "srv", f"guest-{name}")
            shutil.copyfile(os.path.join(self.guest, name), target)
        with open(self.disk, "wb") as disk:
            disk.truncate(DISK_SIZE)
        self.run("disk", "mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", self.root,
                 self.disk)

    def boot_file(self, name):
        found = sorted(glob.glob(os.path.join(self.root, "boot", f"{name}-*")))
        if not found:
            raise ImageError(f"the host VM has no {name}")
        return found[-1]
