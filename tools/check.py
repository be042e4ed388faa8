#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Builds dynmem in every way it must build in and runs all checks and tests, one after the other. Called by
tools/test, which installs what this needs.

A check is a function that returns a Result; CHECKS lists them in the order they run, the cheap ones first.
Everything is made below build-test/.
"""

import argparse
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-test")
LAB = os.path.join(ROOT, "tests", "lab", "run")
RELEASES = ("bookworm", "trixie")  # of Debian
HOST = os.path.join(ROOT, "tests", "host", "run")
JOBS = str(min(os.cpu_count() or 1, 4))
# What Debian's packages bring is found by Debian's Python, which need not be the first one.
os.environ["PATH"] = "/usr/bin:/bin:" + os.environ.get("PATH", "")


class Result:
    """Tests counted by one check. A skip for a missing privilege is allowed everywhere, any other not in CI."""

    def __init__(self, passed=0, failed=0, skipped=0, bad_skips=0, failures=(), notes=()):
        self.passed, self.failed, self.skipped, self.bad_skips = passed, failed, skipped, bad_skips
        self.failures = list(failures)  # names of tests, and why
        self.notes = list(notes)  # what else is worth a look

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.bad_skips += other.bad_skips
        self.failures += other.failures
        self.notes += other.notes


def single(good):
    return Result(passed=1) if good else Result(failed=1)


def run(command, show=None, given=None, **options):
    """Runs a command with a sign of life every 30 seconds. Returns (exit status, output). Lines for which show
    returns true are printed as they come. given is its standard input."""
    done = threading.Event()
    start = time.monotonic()

    def tick():
        while not done.wait(30):
            print(f"  still at it after {time.monotonic() - start:.0f} s", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    lines = []
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               **options)
    try:
        if given:
            process.stdin.write(given)
            process.stdin.close()
        for line in process.stdout:
            lines.append(line)
            if show and show(line):
                print("  " + line.rstrip(), flush=True)
        return process.wait(), "".join(lines)
    finally:
        done.set()
        if process.poll() is None:
            process.terminate()
            process.wait()


def run_check(command, **options):
    status, output = run(command, **options)
    if status != 0:
        print(output, end="")
    return status == 0


def build(name, *options, compiler="gcc"):
    """Builds into build-test/NAME. Returns its path, or None when it does not build."""
    directory = os.path.join(BUILD, name)
    environment = dict(os.environ, CC=compiler)
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        if not run_check(["meson", "setup", directory, ROOT, *options], env=environment):
            return None
    if not run_check(["ninja", "-C", directory]):
        return None
    return directory


def build_sanitized():
    """For the tests. Warnings count in the other builds only: gcc's are not reliable beside its sanitizers."""
    return build("sanitized", "-Db_sanitize=address,undefined")


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
                           cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    return [name for name in names if name and os.path.exists(os.path.join(ROOT, name))]


def check_format(_):
    return single(run_check(["clang-format", "--dry-run", "-Werror", *tracked("*.c", "*.h")]))


def check_scripts(_):
    scripts = [name for name in tracked() if is_shell(name)]
    good = run_check(["shellcheck", "-x", *scripts])
    for name in tracked("*.py"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as source:
            try:
                compile(source.read(), name, "exec")
            except SyntaxError as error:
                print(f"{name}: {error}")
                good = False
    return single(good)


def check_manual(_):
    """Nothing is wrong with the manual pages but that lines of their source may be long."""
    good = True
    for page in tracked("man/*.[0-9]"):
        lines = run(["mandoc", "-T", "lint", page])[1].splitlines()
        lines = [line for line in lines if "input text line longer than 80 bytes" not in line]
        print("\n".join(lines), end="\n" if lines else "")
        good = good and not lines
    return single(good)


def is_shell(name):
    path = os.path.join(ROOT, name)
    if not os.path.isfile(path) or os.path.islink(path):
        return False
    with open(path, "rb") as script:
        first = script.readline()
    return name.endswith(".sh") or (first.startswith(b"#!") and re.search(rb"/(bash|sh)\b", first) is not None)


def check_spdx(_):
    """Each source file and script names its licence in its first lines."""
    bad = []
    for name in tracked("*.c", "*.h", "*.py", "*.sh", "*meson.build", "tools", ".ci", "tests"):
        if os.path.splitext(name)[1] in (".ini", ".xml", ".json", ".txt", ".scenario", ".svg", ".conf", ".md"):
            continue
        try:
            with open(os.path.join(ROOT, name), encoding="utf-8") as source:
                head = source.read(400)
        except UnicodeDecodeError:
            continue
        interesting = name.endswith((".c", ".h", ".py", ".sh", "meson.build")) or head.startswith("#!")
        if interesting and "SPDX-License-Identifier: LGPL-2.1-or-later" not in head:
            bad.append(name)
    for name in bad:
        print(f"{name}: no SPDX-License-Identifier: LGPL-2.1-or-later in its first lines")
    return single(not bad)


def check_gcc(_):
    return single(build("gcc", "--werror"))


def check_clang(_):
    return single(build("clang", "--werror", compiler="clang"))


# What must be where systemd, the bus, polkit, man and the shells look for it.
INSTALLED = [
    "etc/dynmem/dynmemd.conf", "usr/bin/dm-ctl", "usr/sbin/dynmemd", "usr/lib/systemd/catalog/dynmem.catalog",
    "usr/share/dbus-1/system.d/org.dynmem1.conf", "usr/share/dbus-1/interfaces/org.dynmem1.xml",
    "usr/share/polkit-1/actions/org.dynmem1.policy", "usr/share/bash-completion/completions/dm-ctl",
    "usr/lib/ocf/resource.d/dynmem/host", "usr/share/dynmem/50-dynmem", "usr/share/dynmem/schema/list.json", "usr/share/dynmem/monitoring/dynmem.rules.yml",
    "usr/share/dynmem/monitoring/dynmem.dashboard.json", "usr/share/dynmem/monitoring/dynmem.url",
    "usr/share/zsh/site-functions/_dm-ctl", "usr/share/man/man1/dm-ctl.1", "usr/share/man/man1/dm-ctl-simulate.1",
    "usr/share/man/man5/dynmemd.conf.5", "usr/share/man/man5/org.dynmem1.5", "usr/share/man/man7/dynmem.7",
    "usr/share/man/man7/dynmem-cluster.7", "usr/share/man/man7/dynmem-guide.7", "usr/share/man/man7/dynmem-troubleshooting.7",
    "usr/share/man/man8/dynmemd.8",
]


RPM_PLACES = {"_bindir": "/usr/bin", "_sbindir": "/usr/sbin", "_datadir": "/usr/share", "_mandir": "/usr/share/man", "_sysconfdir": "/etc",
              "_unitdir": "/usr/lib/systemd/system", "_catalogdir": "/usr/lib/systemd/catalog"}


def missing_in_rpm(place):
    """Files below place that rpm/dynmem.spec does not name: rpmbuild fails for each."""
    with open(os.path.join(ROOT, "rpm", "dynmem.spec"), encoding="utf-8") as file:
        lines = file.read().split("\n%files\n")[1].split("\n%changelog\n")[0].splitlines()
    patterns = [re.sub(r"%\{(\w+)\}", lambda macro: RPM_PLACES.get(macro.group(1), macro.group()), line.split()[-1])
                for line in lines if not line.startswith(("%license", "%doc", "%dir")) and line]
    files = [os.path.join(directory, name)[len(place):] for directory, _, names in os.walk(place) for name in names]
    files = [re.sub("^/lib/", "/usr/lib/", name) for name in files]
    return [name for name in files
            if not any(fnmatch.fnmatch(name, pattern) or name.startswith(pattern + "/") for pattern in patterns)]


def check_install(_):
    """`meson install` puts everything somewhere, the programs start from there, and the packages have all of it."""
    directory = build("gcc", "--werror")
    if not directory:
        return single(False)
    place = os.path.join(BUILD, "install")
    if not run_check(["meson", "install", "-C", directory, "--destdir", place]):
        return single(False)
    missing = [name for name in INSTALLED if not os.path.exists(os.path.join(place, name))]
    for name in missing:
        print(f"/{name} was not installed")
    unpackaged = missing_in_rpm(place)
    for name in unpackaged:
        print(f"{name} is not in rpm/dynmem.spec")
    good = not missing and not unpackaged
    for program in ("usr/sbin/dynmemd", "usr/bin/dm-ctl"):
        good = run_check([os.path.join(place, program), "--help"]) and good
    return single(good)


def cmocka_counts(output):
    """Sums what cmocka programs and python's unittest say in the output of one test. None: neither is in it."""
    result, found = Result(), False
    for line in output.splitlines():
        match = re.match(r"\[  (PASSED |FAILED |SKIPPED) ?\] (\d+) test\(s\)", line)
        if match:
            found = True
            count = int(match.group(2))
            kind = match.group(1).strip()
            if kind == "PASSED":
                result.passed += count
            elif kind == "FAILED":
                result.failed += count
            else:
                result.skipped += count
        match = re.match(r"Ran (\d+) tests? in", line)
        if match:
            found = True
            result.passed += int(match.group(1))
        match = re.match(r"FAILED \((.*)\)|OK \((.*)\)", line)
        if match:
            for kind, count in re.findall(r"(\w+)=(\d+)", match.group(1) or match.group(2)):
                if kind in ("failures", "errors"):
                    result.failed += int(count)
                    result.passed -= int(count)
                elif kind == "skipped":
                    result.skipped += int(count)
                    result.passed -= int(count)
    return result if found else None


def is_bad(test):
    return test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")


def run_tests(directory, *options):
    """Runs meson's tests. Returns them by name, as its log has them, and what meson printed if not all of them held."""
    environment = dict(os.environ)
    environment.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1")
    environment.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    path = os.path.join(directory, "meson-logs", "testlog.json")
    if os.path.exists(path):
        os.unlink(path)
    status, output = run(["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "-t", "3", *options],
                         show=lambda line: re.match(r"\s*\d+/\d+ ", line), env=environment)
    try:
        with open(path, encoding="utf-8") as log:
            tests = [json.loads(line) for line in log]
    except OSError:
        tests = []
    return {test["name"]: test for test in tests}, output if status != 0 else ""


def check_tests(_):
    """All of meson's tests, built with the address and the undefined behaviour sanitizer. Those that wait for other programs
    are run once more, alone, before they have failed: beside others, on a busy machine, they may be late. So
    are the benches, whose loads are others each time."""
    directory = build_sanitized()
    if not directory:
        return single(False)
    tests, wrong = run_tests(directory, "--num-processes", JOBS)
    print(wrong, end="")
    result = Result()
    if not tests or (wrong and not any(is_bad(test) for test in tests.values())):
        result.failed = 1
    late = [name for name, test in tests.items() if is_bad(test) and re.search(r":(bus|monitoring|bench) / ", name)]
    if late:
        print(f"  run once more: {', '.join(late)}", flush=True)
        again, wrong = run_tests(directory, "--num-processes", "1", *(name.split(" / ")[-1] for name in late))
        print(wrong, end="")
        tests.update(again)
        result.notes += [f"unsteady, held in the second of two runs only: {name}" for name in late if not is_bad(tests[name])]
    for test in tests.values():
        said = (test.get("stdout") or "") + (test.get("stderr") or "")
        counts = cmocka_counts(said)
        if test["result"] == "SKIP":
            privilege = "privilege" in said
            result.add(Result(skipped=1, bad_skips=0 if privilege else 1))
            print(f"  skipped: {test['name']}: {(said.strip().splitlines() or ['it gives no reason'])[-1]}")
        elif is_bad(test):
            result.add(counts if counts and counts.failed else Result(failed=1))
            result.failures.append(test["name"])
        else:
            result.add(counts if counts and not counts.failed else Result(passed=1))
    return result


def compile_commands(directory):
    with open(os.path.join(directory, "compile_commands.json"), encoding="utf-8") as commands:
        return json.load(commands)


def check_tidy(_):
    directory = build("clang", "--werror", compiler="clang")
    if not directory:
        return single(False)
    # Only what is shipped, and nothing that a generator wrote.
    files = sorted({os.path.realpath(os.path.join(command["directory"], command["file"]))
                    for command in compile_commands(directory)})
    files = [name for name in files if name.startswith(os.path.join(ROOT, "src") + os.sep)]
    status, output = run(["xargs", "-0", "-P", JOBS, "-n", "4", "clang-tidy", "--quiet", "--warnings-as-errors=*",
                          "-p", directory], given="\0".join(files))
    if status != 0:
        print("\n".join(line for line in output.splitlines() if "warnings generated" not in line))
    return single(status == 0)


def check_cppcheck(_):
    directory = build("gcc", "--werror")
    if not directory:
        return single(False)
    work = os.path.join(BUILD, "cppcheck")
    os.makedirs(work, exist_ok=True)
    return single(run_check(["cppcheck", "--quiet", "--enable=warning,performance,portability", "--inline-suppr",
                             "--std=c11", "--error-exitcode=1", "-j", JOBS, f"--cppcheck-build-dir={work}",
                             "--suppress=*:*build-test/*", "--suppress=unknownMacro", "--suppress=normalCheckLevelMaxBranches",
                             "-I", "include", "-I", "src", "-D_GNU_SOURCE", '-DDYNMEM_VERSION="0"',
                             "-DG_DEFINE_AUTOPTR_CLEANUP_FUNC(a,b)=", "-Dg_autoptr(a)=a *", "-Dg_autofree=",
                             "-Dg_auto(a)=a", "src", "tests/unit", "tests/sim", "tests/cluster", "tests/bus", "tests/monitoring",
                             "tests/bench"]))


def check_lab(arguments):
    plain = build("gcc", "--werror")
    return check_guests(LAB, plain and build_sanitized(), arguments.patterns["lab"],
                        "--looker", f"{plain}/src/ctl/dm-ctl")


def check_matrix(_):
    """Every fault at every moment, on real guests. Not run unless it is asked for: it takes about half an hour."""
    return check_guests(LAB, build("gcc", "--werror"), None, "--matrix")


# How long the soak lasts, in seconds.
SOAK = "1800"


def check_soak(_):
    """Half an hour of whatever may happen, on real guests. Not run unless it is asked for."""
    plain = build("gcc", "--werror")
    return check_guests(LAB, plain and build_sanitized(), None, "--soak", SOAK, "--looker", f"{plain}/src/ctl/dm-ctl")


# How long each fuzzer goes on, in seconds, and without a new path.
FUZZ, FUZZ_QUIET = "1200", "600"


def check_fuzz(_):
    """Everything that parses, fuzzed with the guidance of coverage. Not run unless it is asked for: it takes hours."""
    directory = build("fuzzing", "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", compiler="clang")
    return single(directory and run([sys.executable, os.path.join(ROOT, "tests", "fuzz", "run.py"), "--seconds", FUZZ, "--quiet",
                                     FUZZ_QUIET, directory], show=lambda line: True)[0] == 0)


# Cases on a real host that begin later are left out, unless they are asked for: so long after its own beginning, and after that of all
# checks, as slow machines need longer for the others.
HOST_MINUTES, ALL_MINUTES = 25, 70


def check_host(arguments):
    left = min(HOST_MINUTES, ALL_MINUTES - (time.monotonic() - BEGAN) / 60)
    # it makes its own package of dynmem
    return check_guests(HOST, os.path.join(BUILD, "host"), arguments.patterns["host"],
                        *([] if arguments.only else ["--budget", f"{max(0, left):.0f}"]))


def check_releases(_):
    """Built, tested and packaged in a fresh root of each."""
    result = Result()
    for release in RELEASES:
        result.add(single(run_check([os.path.join(ROOT, "tests", "release", "run"), release],
                                    show=lambda line: not line.startswith("  still"))))
    return result


def check_guests(program, directory, pattern, *options):
    """The tests on real guests, which have names of their own."""
    if not directory:
        return single(False)
    command = [sys.executable, program, "--build", directory, *options]
    if pattern:
        command += ["--only", pattern]
    status, output = run(command, show=lambda line: True)
    match = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.MULTILINE)
    if not match:
        return single(False)
    passed, failed, skipped = (int(number) for number in match.groups())
    bad = len(re.findall(r"^skip (?!.*(?:privilege|budget))", output, re.MULTILINE))
    if status != 0 and not failed:
        failed = 1
    return Result(passed, failed, skipped, bad, re.findall(r"^FAIL (.{1,300})", output, re.MULTILINE),
                  re.findall(r"^unsteady.{1,300}", output, re.MULTILINE))


# What the policy and what it does to guests rest on: (folder, branches that must be covered, in percent).
COVERED = [("decide", 95), ("act", 95), ("kernel", 95), ("admit", 88), ("config", 88)]


def check_coverage(_):
    """Branches of the stages that decide and act which the tests of meson take. Not run unless it is asked for."""
    directory = build("coverage", "-Db_coverage=true", "-Doptimization=0")
    if not directory:
        return single(False)
    suites = [word for name in ("unit", "sim", "world", "bus", "fuzz") for word in ("--suite", name)]
    status, output = run(["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "-t", "5",
                          "--num-processes", JOBS, *suites], show=lambda line: re.match(r"\s*\d+/\d+ ", line))
    result = single(status == 0)
    if status != 0:
        print(output, end="")
    for folder, least in COVERED:
        _, output = run(["gcovr", "--root", ROOT, "--object-directory", directory, "--branches",
                         "--exclude-unreachable-branches", "--filter", f"{ROOT}/src/{folder}/", directory])
        match = re.search(r"^TOTAL +\d+ +\d+ +(\d+)%", output, re.MULTILINE)
        print(output if not match or int(match.group(1)) < least else
              f"  src/{folder}: {match.group(1)} % of the branches, at least {least} % are asked for", flush=True)
        result.add(single(bool(match) and int(match.group(1)) >= least))
    return result


def check_pair(_):
    """A real cluster of two hosts in namespaces. Not run unless it is asked for."""
    directory = build("gcc", "--werror")
    if not directory:
        return single(False)
    status, output = run([sys.executable, os.path.join(ROOT, "tests", "cluster", "pair.py"), directory, os.path.join(BUILD, "pair")],
                         show=lambda line: True)
    if output.startswith("skip"):
        return Result(skipped=1)
    return single(status == 0)


# How often the hosts of its build exchange their lines, in seconds: nobody would wait for rounds of four minutes.
REAL_PERIOD = "3"


def check_real(_):
    """A real cluster with libvirt and guests, and something that goes wrong in each round. Not run unless it is asked for: it takes about 20
    minutes."""
    directory = build("real", f"-Dc_args=-DCLUSTER_PERIOD_SEC={REAL_PERIOD}")
    if not directory:
        return single(False)
    status, output = run([sys.executable, os.path.join(ROOT, "tests", "cluster", "real.py"), "--period", REAL_PERIOD, directory,
                          os.path.join(BUILD, "pair")], show=lambda line: True)
    if output.startswith("skip"):
        return Result(skipped=1)
    return single(status == 0)


CHECKS = {
    "licence": check_spdx,
    "format": check_format,
    "scripts": check_scripts,
    "manual": check_manual,
    "gcc": check_gcc,
    "clang": check_clang,
    "install": check_install,
    "tests": check_tests,
    "cppcheck": check_cppcheck,
    "clang-tidy": check_tidy,
    "lab": check_lab,
    "host": check_host,
    "releases": check_releases,
}
# Only where they are named.
ASKED_FOR = {"coverage": check_coverage, "fuzz": check_fuzz, "matrix": check_matrix, "pair": check_pair, "real": check_real,
             "soak": check_soak}


def parse():
    parser = argparse.ArgumentParser(prog="tools/test", add_help=False)
    parser.add_argument("--no-lab", action="store_true")
    parser.add_argument("--no-host", action="store_true")
    parser.add_argument("--only", metavar="PATTERN")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse()
    left_out = [name for name, out in (("lab", arguments.no_lab), ("host", arguments.no_host),
                                       ("releases", not arguments.list and arguments.only != "releases")) if out]
    names = [name for name in CHECKS if name not in left_out]
    cases = {name: subprocess.run([sys.executable, program, "--list"], check=True, stdout=subprocess.PIPE,
                                  text=True).stdout.split() for name, program in (("lab", LAB), ("host", HOST))}
    arguments.patterns = {name: None for name in cases}
    if arguments.list:
        print("\n".join(names))
        print("\n".join(f"{name}/{case}" for name in cases if name in names for case in cases[name]))
        return 0
    if arguments.only in ASKED_FOR:
        names = [arguments.only]
    elif arguments.only:
        # the name of a check is meant where it is one, not cases that have it in theirs
        pattern = arguments.only if arguments.only in names else f"*{arguments.only}*"
        wanted = [name for name in names if fnmatch.fnmatch(name, pattern)]
        for name in cases:
            if name in names and name not in wanted and any(fnmatch.fnmatch(f"{name}/{case}", pattern)
                                                            for case in cases[name]):
                wanted.append(name)
                arguments.patterns[name] = arguments.only.split("/", 1)[-1]
        if not wanted:
            print(f"tools/test: nothing has {arguments.only} in its name; see --list", file=sys.stderr)
            return 2
        names = wanted

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    total = Result()
    broken = []
    for name in names:
        print(f"{name} …", flush=True)
        start = time.monotonic()
        try:
            result = {**CHECKS, **ASKED_FOR}[name](arguments)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            print(f"{name}: {error}")
            result = single(False)
        total.add(result)
        if result.failed:
            broken.append(name)
        verdict = "FAILED" if result.failed else "skipped" if not result.passed else "ok"
        print(f"{name}: {verdict}, {result.passed} passed, {result.failed} failed, {result.skipped} skipped "
              f"in {time.monotonic() - start:.0f} s", flush=True)
    # Again at the end, where somebody looks who was not there.
    for failure in total.failures:
        print(f"  failed: {failure}")
    for note in total.notes:
        print(f"  {note}")
    print(f"all took {time.monotonic() - BEGAN:.0f} s" + (f"; failed: {', '.join(broken)}" if broken else ""))
    failed = total.failed > 0
    if os.environ.get("CI") == "true" and total.bad_skips:
        print(f"{total.bad_skips} skipped that lacked neither a privilege nor time, which is a failure where CI=true")
        failed = True
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if failed else 0


BEGAN = time.monotonic()
if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
