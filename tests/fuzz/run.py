#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
usage: run.py [--seconds N] [--quiet N] [--corpus FOLDER] [--keep] BUILD [NAME...]

Fuzzes everything that parses, one after the other, guided by coverage: each target until it has found no new path for
--quiet seconds, or for --seconds. A path is one that no input took before; how often it is taken does not count. BUILD is a
build folder made with clang and -Dfuzz=true. Inputs that it found are kept in
--corpus, from which the next run goes on; with --keep those that bring anything beyond the seeds of the tests become
seeds, where they are small and few. What makes a target fail lies in BUILD/fuzz-findings. Exit status 0: nothing failed.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SEEDS = os.path.join(HERE, "corpus")
# What a repository can carry: bytes of a seed, seeds of a target.
LONGEST, MOST = 2048, 200
# What GLib only complains of is a failure here.
ENVIRONMENT = dict(os.environ, G_DEBUG="fatal-warnings")


def fuzz(program, folders, findings, seconds, quiet):
    """Returns the last line of figures and whether nothing failed."""
    process = subprocess.Popen([program, f"-max_total_time={seconds}", "-timeout=20", "-max_len=4096", "-rss_limit_mb=4096",
                                "-print_final_stats=1", f"-artifact_prefix={findings}/", *folders], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", env=ENVIRONMENT)
    found, lines, stopped = [time.monotonic(), 0], [], False

    def read():
        for line in process.stderr:
            lines.append(line)
            del lines[:-200]
            edges = re.search(r"\bcov: (\d+)", line)
            if edges and int(edges[1]) > found[1]:
                found[:] = time.monotonic(), int(edges[1])

    reader = threading.Thread(target=read)
    reader.start()
    while process.poll() is None:
        time.sleep(0.5)
        if time.monotonic() - found[0] > quiet and not stopped:
            stopped = True
            process.send_signal(2)
    reader.join()
    figures = [line for line in lines if re.match(r"#\d+.*cov: ", line)]
    # interrupted is not failed
    good = process.returncode in (0, 130) or (stopped and not any("SUMMARY" in line for line in lines))
    if not good:
        print("".join(lines[-60:]))
    return (figures or ["no figures"])[-1].strip(), good


def merge(program, target, folder):
    """Adds to target what takes paths that nothing in it takes; how often does not count."""
    before = set(os.listdir(target))
    subprocess.run([program, "-merge=1", "-use_counters=0", target, folder], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    return [os.path.join(target, name) for name in os.listdir(target) if name not in before]


def keep(program, name, corpus):
    """Those that bring something, the smallest first, become seeds."""
    seeds = os.path.join(SEEDS, name)
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(seeds, f"{work}/seeds")
        small = f"{work}/small"
        os.mkdir(small)
        for path in glob.glob(f"{corpus}/*"):
            if os.path.getsize(path) <= LONGEST:
                shutil.copy(path, small)
        found = sorted(merge(program, f"{work}/seeds", small), key=os.path.getsize)
        room = max(0, MOST - len(os.listdir(seeds)))
        for path in found[:room]:
            shutil.copy(path, os.path.join(seeds, "found-" + os.path.basename(path)[:12]))
    return f"{min(room, len(found))} of {len(found)} are seeds from now on"


def main():
    parser = argparse.ArgumentParser(usage=__doc__.strip().split("\n", maxsplit=1)[0].removeprefix("usage: "))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--quiet", type=int, default=600)
    parser.add_argument("--corpus", metavar="FOLDER")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("build")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    # beside each stands a folder of what it was made of
    programs = sorted(filter(os.path.isfile, glob.glob(os.path.join(arguments.build, "tests", "fuzz", "fuzz_*[a-z]"))))
    findings = os.path.join(arguments.build, "fuzz-findings")
    failed = []
    os.makedirs(findings, exist_ok=True)
    for program in programs:
        name = os.path.basename(program).removeprefix("fuzz_")
        if arguments.names and name not in arguments.names:
            continue
        corpus = os.path.join(arguments.corpus or os.path.join(arguments.build, "fuzz-corpus"), name)
        os.makedirs(corpus, exist_ok=True)
        began = time.monotonic()
        figures, good = fuzz(program, [corpus, os.path.join(SEEDS, name)], findings, arguments.seconds, arguments.quiet)
        print(f"{'ok  ' if good else 'FAIL'} {name}: {figures} ({time.monotonic() - began:.0f} s)", flush=True)
        if arguments.keep:
            print(f"     {keep(program, name, corpus)}", flush=True)
        if not good:
            failed.append(name)
    print(f"{len(failed)} failed" + (f", what did so lies in {findings}" if failed else ""))
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
