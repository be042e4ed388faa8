# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of this folder share: files as the daemon writes them, and where the things under test are."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

MONITORING = os.environ["MONITORING"]
# four guests restart at second 300, with paging files
SCENARIO = os.path.join(os.environ["SIM_SCENARIOS"], "restart-four.ini")
SKIP = 77


def need(program, package):
    """Ends the whole test as skipped where there is no such program."""
    if shutil.which(program) is None:
        print(f"skipped: there is no {program}; install {package}")
        sys.exit(SKIP)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Samples:
    """A folder of files, see samples.c; run is those of the run, in order."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="dynmem-monitoring-")
        self.directory = self.temporary.name
        subprocess.run([os.environ["METRICS_SAMPLES"], self.directory, SCENARIO, "290", "330"], check=True, timeout=60)
        self.files = sorted(os.path.join(self.directory, name) for name in os.listdir(self.directory))
        self.run = [path for path in self.files if "/run-" in path]
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def file(self, name):
        return os.path.join(self.directory, name)


def metrics_in(text):
    """The names of metrics that are spoken of in rules, expressions or files."""
    return set(re.findall(r"\bdynmem_[a-z_]+\b", text))


def metrics_written(samples):
    """All that the daemon can write."""
    return {match for path in samples.files for match in re.findall(r"^(dynmem_\w+)[ {]", read(path), re.MULTILINE)}
