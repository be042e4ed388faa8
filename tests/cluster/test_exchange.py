#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Between dynmemd and the cluster: what `dm-ctl cluster exchange` hands over and publishes, and what is taken back when; by itself and
through the agent ocf:dynmem:host. The daemon and Pacemaker's programs are stand-ins. Usage: test_exchange.py DM_CTL FAKE XML AGENT BUS
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

DM_CTL, FAKE, XML, AGENT, BUS = sys.argv[1:6]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, BUS)
# pylint: disable=wrong-import-position
from fake_bus import FakeDaemon, PrivateBus  # noqa: E402

UUID = "11111111-2222-3333-4444-555555555555"
RUNNING, NOT_RUNNING, DEGRADED = 0, 7, 190


def line(phase="idle", partner=None, resource="web"):
    """As src/cluster/figures.c makes it."""
    text = "1 beat=7 level=automatic budget=8388608 besides=0 want=4194304 free=2097152 reclaimable=1048576 stars=4 phase=" + phase
    if phase != "idle":
        text += f" partner={partner} guest={UUID} resource={resource} maximum=4194304 brings=1048576 wants=1048576 overhead=65536"
    return text


def operation(task, number, status=0, target=None):
    where = f' migrate_source="a" migrate_target="{target}"' if target else ""
    return f'<lrm_rsc_op id="x-{task}" operation="{task}" call-id="{number}" rc-code="{0 if status == 0 else 193}" op-status="{status}"{where}/>'


def history(*operations, resource="web"):
    return f'<lrm_resource id="{resource}">{"".join(operations)}</lrm_resource>'


def primitive(name, config, migrate="true"):
    return (f'<primitive id="{name}" class="ocf" provider="heartbeat" type="VirtualDomain"><instance_attributes id="{name}-i">'
            f'<nvpair id="{name}-c" name="config" value="{config}"/></instance_attributes><meta_attributes id="{name}-m">'
            f'<nvpair id="{name}-a" name="allow-migrate" value="{migrate}"/></meta_attributes></primitive>')


class Cluster:
    """Two hosts, a and b, of which this one is b; web runs on a unless histories say otherwise."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dynmem-exchange-")
        os.mkdir(os.path.join(self.folder, "bin"))
        for name in ("attrd_updater", "cibadmin", "crm_node"):
            os.symlink(os.path.join(HERE, "fake_pacemaker.py"), os.path.join(self.folder, "bin", name))
        self.write("web.xml", f"<domain type='kvm'><name>web</name><uuid>{UUID}</uuid><memory>4194304</memory></domain>")
        self.write("node", "b\n")
        self.write("lines.json", "{}")
        self.write("log", "")
        self.set({"a": history(operation("start", 2))})

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def set(self, histories, attributes=(), resources=None):
        """attributes: of b, as pairs."""
        if resources is None:
            resources = primitive("web", self.path("web.xml")) + primitive("fixed", self.path("web.xml"), "false")
        states = "".join(
            f'<node_state id="{number}" uname="{host}"><lrm id="{number}"><lrm_resources>{histories.get(host, "")}</lrm_resources>'
            f'</lrm><transient_attributes id="{number}"><instance_attributes id="t-{host}">'
            + "".join(f'<nvpair id="t-{host}-{name}" name="{name}" value="{value}"/>'
                      for name, value in (attributes if host == "b" else ()))
            + "</instance_attributes></transient_attributes></node_state>" for number, host in enumerate("ab", 1))
        self.write("cib.xml", '<cib><configuration><crm_config/><nodes><node id="1" uname="a"/><node id="2" uname="b"/></nodes>'
                              f'<resources>{resources}</resources><constraints/></configuration><status>{states}</status></cib>')

    def lines(self, lines):
        self.write("lines.json", json.dumps(lines))

    def log(self):
        with open(self.path("log"), encoding="utf-8") as file:
            done = file.read().splitlines()
        self.write("log", "")
        return done

    def close(self):
        shutil.rmtree(self.folder)


class ExchangeTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.bus = PrivateBus()
        cls.addClassCleanup(cls.bus.close)

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        # as Pacemaker runs an agent
        self.environment = dict(self.bus.environment, FAKE_CLUSTER=self.cluster.folder, OCF_RESKEY_CRM_meta_on_node="b",
                                PATH=self.cluster.path("bin") + ":" + os.environ["PATH"])
        self.daemon = None

    def answer(self, wish="", score=0, room=40, own=line()):
        if self.daemon is None:
            self.daemon = FakeDaemon(FAKE, XML, self.environment, {"Withdraw": "()"})
            self.addCleanup(lambda: self.daemon is None or self.daemon.close())
        self.daemon.answer("Exchange", f"('{own}', uint32 {room}, '{wish}', uint32 {score})")
        return self.daemon

    def stop_daemon(self):
        self.daemon.close()
        self.daemon = None

    def ctl(self, *words, status=0):
        done = subprocess.run([DM_CTL, "cluster", *words], env=self.environment, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr


class Exchange(ExchangeTest):
    def test_it_hands_over_what_all_have_published_and_what_may_be_moved(self):
        daemon = self.answer()
        self.cluster.lines({"a": line(), "b": line()})
        self.ctl("exchange")
        self.assertEqual(daemon.last("Exchange"), f"('b', [('a', '{line()}'), ('b', '{line()}')], [('web', '{UUID}')])")

    def test_a_guest_whose_file_can_not_be_read_is_not_handed_over(self):
        daemon = self.answer()
        os.unlink(self.cluster.path("web.xml"))
        self.ctl("exchange")
        self.assertEqual(daemon.last("Exchange"), "('b', [], [])")

    def test_a_guest_that_is_blocked_is_not_handed_over_but_to_who_is_at_it(self):
        daemon = self.answer()
        failed = operation("migrate_to", 5, 4, "b")
        for operations, own, given in (
                ([operation("start", 2), failed], line(), False),
                ([operation("start", 2), failed], line("comes", "a"), True),
                ([operation("start", 2), failed], line("comes", "a", "other"), False),
                ([operation("start", 2), failed, operation("stop", 6), operation("start", 7)], line(), True),
                ([operation("start", 2), operation("migrate_to", 3, 4, "b"), operation("migrate_to", 5, 0, "b")], line(), True)):
            self.cluster.set({"a": history(*operations)})
            self.cluster.lines({"b": own})
            self.ctl("exchange")
            self.assertEqual(f"('web', '{UUID}')" in daemon.last("Exchange"), given, (operations, own))

    def test_a_guest_whose_host_has_forgotten_how_it_came_is_not_handed_over(self):
        """As crm_resource --cleanup leaves it: Pacemaker would stop it at its next move."""
        daemon = self.answer()
        probe, sent = operation("monitor", 5), history(operation("start", 2), operation("migrate_to", 3, 0, "b"), operation("stop", 4))
        for here, there, given in ((history(probe), sent, False),
                                   (history(operation("migrate_from", 4), probe), sent, True),
                                   (history(operation("start", 4), probe), sent, True),
                                   (history(probe), "", True)):
            self.cluster.set({"a": there, "b": here})
            self.ctl("exchange")
            self.assertEqual(f"('web', '{UUID}')" in daemon.last("Exchange"), given, (here, there))

    def test_guests_of_another_agent_are_called_as_their_resources(self):
        daemon = self.answer()
        self.cluster.set({}, resources='<primitive id="d1" class="ocf" provider="pacemaker" type="Dummy"><meta_attributes id="m">'
                                       '<nvpair id="n" name="allow-migrate" value="1"/></meta_attributes></primitive>')
        self.ctl("exchange", "--agent=ocf:pacemaker:Dummy")
        self.assertEqual(daemon.last("Exchange"), "('b', [], [('d1', 'd1')])")

    def test_what_is_answered_is_published_the_wish_last(self):
        self.answer("web", 250, own=line("wishes", "a"))
        self.ctl("exchange")
        self.assertEqual(self.cluster.log(), [f"set dynmem-line={line('wishes', 'a')} (private)", "set dynmem-room=40",
                                              "set dynmem-move-web=250"])

    def test_what_is_there_already_is_not_written_again(self):
        self.answer("web", 250)
        self.ctl("exchange")
        self.cluster.log()
        self.ctl("exchange")
        self.assertEqual(self.cluster.log(), [f"set dynmem-line={line()} (private)"])

    def test_every_other_wish_of_this_host_is_taken_back(self):
        self.answer("web", 250)
        self.cluster.set({"a": history(operation("start", 2))}, [("dynmem-move-old", 250), ("dynmem-move-web", 250)])
        self.ctl("exchange")
        self.assertEqual(self.cluster.log()[0], "delete dynmem-move-old")

    def test_a_wish_whose_guest_is_on_its_way_stays_whatever_is_answered(self):
        self.answer("", 0)
        self.cluster.set({"a": history(operation("start", 2), operation("migrate_to", 3, -1, "b"))}, [("dynmem-move-web", 250)])
        self.ctl("exchange")
        self.assertNotIn("delete dynmem-move-web", self.cluster.log())

    def test_a_wish_that_is_followed_as_it_is_taken_back_comes_back(self):
        self.answer("", 0)
        for sent in (True, False):
            self.cluster.set({"a": history(operation("start", 2), *([operation("migrate_to", 3, -1, "b")] if sent else []))})
            os.rename(self.cluster.path("cib.xml"), self.cluster.path("follows.xml"))
            self.cluster.set({"a": history(operation("start", 2))}, [("dynmem-move-web", 240)])
            self.ctl("exchange")
            self.assertEqual([done for done in self.cluster.log() if "move" in done],
                             ["delete dynmem-move-web"] + (["set dynmem-move-web=240"] if sent else []))

    def test_beside_it_nothing_else_is_wished_for(self):
        self.answer("other", 250)
        self.cluster.set({"a": history(operation("start", 2), operation("migrate_to", 3, -1, "b"))}, [("dynmem-move-web", 250)])
        self.ctl("exchange")
        self.assertEqual([done for done in self.cluster.log() if "move" in done], [])


class OnItsWay(ExchangeTest):
    """Of a wish for web, whether it stays when dynmemd is gone."""

    def stays(self, histories, lines=None):
        self.cluster.set(histories, [("dynmem-move-web", 250)])
        self.cluster.lines(lines or {})
        self.ctl("withdraw")
        log = self.cluster.log()
        # the line tells of the motion as long as that goes on
        self.assertEqual("delete dynmem-move-web" in log, "delete dynmem-line (private)" in log)
        return "delete dynmem-move-web" not in log

    def test_not_where_nothing_has_begun(self):
        self.assertFalse(self.stays({"a": history(operation("start", 2))}))
        self.assertFalse(self.stays({"a": history(operation("start", 2))}, {"b": line("wishes", "a")}))

    def test_while_it_is_sent_and_until_its_source_is_stopped(self):
        sent = operation("migrate_to", 3, 0, "b")
        self.assertTrue(self.stays({"a": history(operation("start", 2), operation("migrate_to", -1, -1, "b"))}))
        self.assertTrue(self.stays({"a": history(operation("start", 2), sent)}))
        self.assertTrue(self.stays({"a": history(operation("start", 2), sent), "b": history(operation("migrate_from", 5))}))
        self.assertFalse(self.stays({"a": history(operation("start", 2), sent, operation("stop", 4)),
                                     "b": history(operation("migrate_from", 5))}))

    def test_not_where_sending_it_failed(self):
        self.assertFalse(self.stays({"a": history(operation("start", 2), operation("migrate_to", 3, 4, "b"))}))

    def test_not_where_it_is_sent_elsewhere(self):
        self.assertFalse(self.stays({"a": history(operation("start", 2), operation("migrate_to", 3, -1, "c"))}))

    def test_where_the_hosts_say_so_until_it_runs_here(self):
        for lines in ({"b": line("comes", "a")}, {"a": line("leaves", "b")}):
            self.assertTrue(self.stays({"a": history(operation("start", 2))}, lines))
            self.assertFalse(self.stays({"b": history(operation("start", 2))}, lines))
        self.assertFalse(self.stays({"a": history(operation("start", 2))}, {"a": line("leaves", "c")}))
        self.assertFalse(self.stays({"a": history(operation("start", 2))}, {"b": line("comes", "a", "other")}))


class Failing(ExchangeTest):
    def test_without_the_daemon_all_is_taken_back(self):
        self.cluster.set({"a": history(operation("start", 2))}, [("dynmem-move-web", 250), ("dynmem-room", 30)])
        self.assertIn("systemctl start dynmemd", self.ctl("exchange", status=3))
        self.assertEqual(self.cluster.log(), ["delete dynmem-move-web", "delete dynmem-room", "delete dynmem-line (private)"])

    def test_but_a_wish_whose_guest_is_on_its_way(self):
        self.cluster.set({"a": history(operation("start", 2), operation("migrate_to", 3, -1, "b"))}, [("dynmem-move-web", 250)])
        self.ctl("exchange", status=3)
        self.assertEqual(self.cluster.log(), ["delete dynmem-room"])

    def test_where_the_cluster_does_not_answer_nothing_is_touched(self):
        self.answer("web", 250)
        self.cluster.write("broken-cibadmin", "Could not connect to the CIB: Transport endpoint is not connected")
        said = self.ctl("exchange", status=1)
        self.assertIn("not connected", said)
        self.assertIn("pacemaker", said)
        self.assertEqual(self.cluster.log(), [])

    def test_where_the_cluster_hangs_nobody_waits_for_ever(self):
        self.answer()
        for name, words in (("crm_node", ("withdraw", "--wait=20")), ("attrd_updater", ("exchange",))):
            tool = self.cluster.path(os.path.join("bin", name))
            os.rename(tool, tool + "-good")
            self.cluster.write(os.path.join("bin", name), "#!/bin/sh\nexec sleep 600\n")
            os.chmod(tool, 0o755)
            self.assertIn(name + " has not answered for 15 seconds", self.ctl(*words, status=1))
            os.rename(tool + "-good", tool)

    def test_without_pacemaker_it_says_what_is_to_be_installed(self):
        self.answer()
        os.unlink(self.cluster.path("bin/crm_node"))
        self.environment["PATH"] = self.cluster.path("bin")
        if shutil.which("crm_node", path="/usr/sbin:/sbin") is None:
            self.assertIn("pacemaker-cli-utils", self.ctl("exchange", status=1))

    def test_dynmemd_is_told_that_it_ends(self):
        daemon = self.answer()
        self.ctl("withdraw")
        self.assertEqual(daemon.last("Withdraw"), "()")


def functions():
    """Where OCF's shell functions are: of a package that is installed, or unpacked beside crm_simulate; None: nowhere."""
    found = shutil.which("crm_simulate", path=os.environ.get("PATH", "") + ":/usr/sbin")
    places = ["/usr"] + ([os.path.dirname(os.path.dirname(found))] if found else [])
    return next((place for place in places if os.path.exists(os.path.join(place, "lib/ocf/lib/heartbeat/ocf-shellfuncs"))), None)


@unittest.skipIf(functions() is None, "there are no shell functions of OCF; install resource-agents")
class Agent(ExchangeTest):
    def setUp(self):
        super().setUp()
        root = functions()
        self.environment.update(OCF_ROOT=os.path.join(root, "lib/ocf"), DYNMEM_DM_CTL=os.path.abspath(DM_CTL),
                                OCF_FUNCTIONS_DIR=os.path.join(root, "lib/ocf/lib/heartbeat"),
                                OCF_RESOURCE_INSTANCE="dynmem:0", OCF_RESKEY_state=self.cluster.path("state"),
                                HA_RSCTMP=self.cluster.folder, HA_LOGFACILITY="none", HA_debug="0")

    def act(self, action, expected, **more):
        environment = {**self.environment, "__OCF_ACTION": action, "OCF_RESKEY_CRM_meta_interval": "10000", **more}
        done = subprocess.run([AGENT, action], env=environment, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, expected, f"{action}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_its_life(self):
        self.answer("web", 250)
        self.act("monitor", NOT_RUNNING)
        self.act("start", 0)
        self.assertIn("set dynmem-move-web=250", self.cluster.log())
        self.act("monitor", RUNNING)
        self.act("stop", 0)
        self.assertIn("delete dynmem-move-web", self.cluster.log())
        self.act("monitor", NOT_RUNNING)
        self.act("stop", 0)

    def test_a_probe_does_not_take_part(self):
        self.answer()
        self.act("start", 0)
        self.cluster.log()
        self.act("monitor", RUNNING, OCF_RESKEY_CRM_meta_interval="0")
        self.assertEqual(self.cluster.log(), [])

    def test_without_the_daemon_it_runs_degraded_and_leaves_nothing_published(self):
        self.answer("web", 250)
        self.act("start", 0)
        self.stop_daemon()
        self.cluster.log()
        self.act("monitor", DEGRADED)
        self.assertEqual(self.cluster.log(), ["delete dynmem-move-web", "delete dynmem-room", "delete dynmem-line (private)"])
        self.answer()
        self.act("monitor", RUNNING)

    def test_it_says_what_is_wrong_with_its_parameters(self):
        self.act("validate-all", 0)
        self.act("validate-all", 6, OCF_RESKEY_agent="VirtualDomain")
        self.act("validate-all", 5, DYNMEM_DM_CTL="/nonexistent")
        self.act("fly", 3)

    def test_ocf_tester_finds_nothing(self):
        root = functions()
        with open(os.path.join(root, "sbin", "ocf-tester"), encoding="utf-8") as file:
            text = file.read()
        # of a package that is only unpacked its own data
        self.assertIn("DATADIR=/usr/share\n", text)
        self.cluster.write("tester", text.replace("DATADIR=/usr/share\n", f"DATADIR={root}/share\n"))
        tester = self.cluster.path("tester")
        os.chmod(tester, 0o755)
        self.answer()
        done = subprocess.run([tester, "-n", "dynmem", "-o", "state=" + self.cluster.path("state"), os.path.abspath(AGENT)],
                              env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        self.assertIn("passed all tests", done.stdout, done.stdout + done.stderr)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("Warning", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[6:])
