# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What an idle dynmemd costs beside real guests that do nothing. Called by tools/bench with a release build; the
measuring itself is tests/lab/cost.py, and the guests run in the lab's sandbox.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab"))

import cost  # noqa: E402
import sandbox  # noqa: E402
from host import Daemon, Host, wait_until  # noqa: E402


def count_system_calls(pid, seconds):
    """{name: number of calls} of all threads in that time."""
    with tempfile.NamedTemporaryFile("r", dir="/run/lab", suffix=".strace") as table:
        tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", table.name, "-p", str(pid)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        calls = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", table.read(), re.MULTILINE)
    return {name: int(count) for count, name in calls if name != "total"}


def inside(build, arguments):
    host = Host(os.path.join(build, "lab-guest"), build)
    host.start()
    guests = [host.define(f"guest{number}", 256, 200, minimum="128MiB") for number in range(arguments.guests)]
    host.start_guests(*guests)
    libvirtd_alone = cost.processor_seconds(host.libvirtd.pid)
    time.sleep(10)
    libvirtd_alone = (cost.processor_seconds(host.libvirtd.pid) - libvirtd_alone) / 10
    daemon = Daemon(host, "")
    daemon.start()
    for guest in guests:
        wait_until(f"{guest.name} is active", 60,
                   lambda name=guest.name: daemon.guests()[name]["state"] == "active", 0.5)
    print(f"measuring for {arguments.seconds} s, twice", flush=True)
    time.sleep(60)  # balloons come to rest

    def ticks():
        return daemon.ctl("host")["ticks"]

    libvirtd = cost.processor_seconds(host.libvirtd.pid)
    used = cost.measure(daemon.process.pid, arguments.seconds, ticks)
    libvirtd = (cost.processor_seconds(host.libvirtd.pid) - libvirtd) / arguments.seconds - libvirtd_alone
    before = ticks()
    calls = count_system_calls(daemon.process.pid, arguments.seconds)
    traced_ticks = max(ticks() - before, 1)

    print(f"""
dynmemd, {arguments.guests} idle guests, {used.ticks / used.seconds:.2f} ticks a second
  processor time        {used.cpu_per_tick_usec:8.0f} µs a tick, {used.cpu_percent:.3f} % of a core
  libvirtd because of it {libvirtd * 1e6 * used.seconds / max(used.ticks, 1):7.0f} µs a tick, {100 * libvirtd:.3f} % of a core
  wake-ups              {used.wakeups_per_tick:8.1f} a tick, {used.wakeups / used.seconds:.1f} a second
  resident memory       {used.resident_mib:8.1f} MiB
  threads               {used.threads:8d}
  system calls          {sum(calls.values()) / traced_ticks:8.1f} a tick, of them:""")
    for name, count in sorted(calls.items(), key=lambda item: -item[1])[:12]:
        print(f"    {name:18} {count / traced_ticks:8.1f}")
    return 0


def outside(build, arguments):
    place = sandbox.Sandbox("dynmem-bench")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        command = [sys.executable, os.path.abspath(__file__), build, "--inside", "--guests", str(arguments.guests),
                   "--seconds", str(arguments.seconds)]
        return place.start(command, stdin=subprocess.DEVNULL).wait()
    finally:
        place.close()


def main():
    parser = argparse.ArgumentParser(prog="tools/bench")
    parser.add_argument("build", help=argparse.SUPPRESS)
    parser.add_argument("--guests", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    return inside(build, arguments) if arguments.inside else outside(build, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, sandbox.Unprivileged) as reason:
        print(reason or "interrupted", file=sys.stderr)
        sys.exit(1)
