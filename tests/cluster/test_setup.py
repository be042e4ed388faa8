#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
`dm-ctl cluster setup` with Pacemaker's own cibadmin and crm_simulate, on configurations in files: what it finds, what its commands
come to, and that it never has a guest stopped, moved or started. Usage: test_setup.py DM_CTL BUS
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

SKIP = 77
DM_CTL, BUS = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, BUS)
# pylint: disable=wrong-import-position
import schema  # noqa: E402
from pacemaker import CRM_SIMULATE, environment  # noqa: E402

if CRM_SIMULATE is None:
    print("skipped: there is no crm_simulate; install pacemaker-cli-utils")
    sys.exit(SKIP)

FEATURES = "3.16.1"
AUTOSET = {f"autoset_utilization_{what}": "false" for what in ("cpu", "hv_memory", "host_memory")}
LINE = "1 beat=7 level=manual budget={budget} besides=0 want=1024 free=1024 reclaimable=0 stars=4 phase=idle"


def digest(parameters):
    """Of an operation's parameters, as Pacemaker makes it: another one means that they have changed (lib/common/digest.c)."""
    words = "".join(f' {name}="{value}"' for name, value in sorted(parameters.items()))
    return hashlib.md5(f" <parameters{words}/>\n".encode()).hexdigest()


def operation(name, parameters):
    key = "2:1:0:00000000-0000-0000-0000-000000000000"
    return (f"<lrm_rsc_op id='{name}_start_0' operation_key='{name}_start_0' operation='start' interval='0' call-id='2' rc-code='0'"
            f" op-status='0' crm_feature_set='{FEATURES}' transition-key='{key}' transition-magic='0:0;{key}'"
            f" op-digest='{digest(parameters)}'/>")


class Bare:
    """A cluster of two hosts with three guests, and a resource that is none, as it is without dynmem."""

    def __init__(self, folder):
        self.folder = folder
        self.places = {"web": "a", "db": "b", "mail.old": "a", "address": "b"}  # as Pacemaker would have it
        self.meta = ""       # of each guest
        self.parameters = {}      # likewise, beside config
        self.properties = "<nvpair id='s' name='stonith-enabled' value='false'/>"
        self.more = ""       # resources
        self.constraints = ""
        self.transient = {"a": "", "b": ""}
        for name in ("web", "db", "mail.old"):
            self.write(name + ".xml", f"<domain type='kvm'><name>{name}</name><memory unit='MiB'>2048</memory><vcpu>2</vcpu>"
                                      "<metadata><d:memory xmlns:d='urn:dynmem:domain:1' minimum='512MiB'/></metadata></domain>")

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def parameters_of(self, name):
        return {} if name == "address" else {"config": f"{self.folder}/{name}.xml", **self.parameters}

    def guest(self, name):
        pairs = "".join(f"<nvpair id='{name}-i-{key}' name='{key}' value='{value}'/>"
                        for key, value in self.parameters_of(name).items())
        return (f"<primitive id='{name}' class='ocf' provider='heartbeat' type='VirtualDomain'><instance_attributes id='{name}-i'>"
                f"{pairs}</instance_attributes>{self.meta.format(name=name)}</primitive>")

    def xml(self):
        states = ""
        for number, host in enumerate("ab", 1):
            kinds = {name: "IPaddr2" if name == "address" else "VirtualDomain" for name in self.places}
            history = "".join(f"<lrm_resource id='{name}' class='ocf' provider='heartbeat' type='{kinds[name]}'>{operation(name, self.parameters_of(name))}"
                              "</lrm_resource>" for name, place in self.places.items() if place == host)
            states += (f"<node_state id='{number}' uname='{host}' in_ccm='true' crmd='online' join='member' expected='member'>"
                       f"<lrm id='{number}'><lrm_resources>{history}</lrm_resources></lrm><transient_attributes id='{number}'>"
                       f"<instance_attributes id='t{number}'>{self.transient[host]}</instance_attributes></transient_attributes>"
                       "</node_state>")
        guests = "".join(self.guest(name) for name in ("web", "db", "mail.old"))
        return (f"<cib crm_feature_set='{FEATURES}' validate-with='pacemaker-3.5' epoch='1' num_updates='0' admin_epoch='0'"
                " have-quorum='1' dc-uuid='1'><configuration><crm_config><cluster_property_set id='cib-bootstrap-options'>"
                f"{self.properties}</cluster_property_set></crm_config><nodes><node id='1' uname='a'/><node id='2' uname='b'/></nodes>"
                f"<resources>{guests}<primitive id='address' class='ocf' provider='heartbeat' type='IPaddr2'><meta_attributes id='am'>"
                f"<nvpair id='am1' name='resource-stickiness' value='1'/></meta_attributes></primitive>{self.more}</resources>"
                f"<constraints>{self.constraints}</constraints></configuration><status>{states}</status></cib>")


class SetupTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="dynmem-setup-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.bare = Bare(self.folder)
        self.live = os.path.join(self.folder, "live.xml")
        # a cluster that is a file: Pacemaker's programs take it for the cluster itself
        self.environment = dict(environment(self.folder), CIB_file=self.live, FAKE_CLUSTER=self.folder, LC_ALL="C.UTF-8")
        self.environment["PATH"] = os.path.join(self.folder, "bin") + ":" + os.path.dirname(CRM_SIMULATE) + ":" + os.environ["PATH"]
        os.mkdir(os.path.join(self.folder, "bin"))
        os.symlink(os.path.join(HERE, "fake_pacemaker.py"), os.path.join(self.folder, "bin", "attrd_updater"))
        self.bare.write("node", "a\n")
        self.lines()

    def lines(self, **budgets):
        self.bare.write("lines.json", json.dumps({host: LINE.format(budget=budget * 1024) for host, budget in budgets.items()}))

    def save(self, xml=None):
        with open(self.live, "w", encoding="utf-8") as file:
            file.write(xml or self.bare.xml())

    def tree(self):
        return ElementTree.parse(self.live)

    def run_setup(self, *words, status=0):
        done = subprocess.run([DM_CTL, *words], env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def setup(self, *words, status=0):
        words = ("--json", "cluster", "setup", *words)
        return json.loads(schema.check(words, self.run_setup(*words, status=status).stdout))

    def found(self, document, levels=("problem",)):
        return sorted({check["name"] for check in document["checks"] if check["level"] in levels})

    def good(self, *words):
        """The cluster after all that setup would do."""
        self.save()
        self.assertTrue(self.setup("--apply", *words)["applied"])


class Setup(SetupTest):
    def test_of_a_bare_cluster_it_finds_all_and_changes_nothing(self):
        self.save()
        before = self.bare.xml()
        document = self.setup()
        self.assertEqual(self.found(document), ["agent", "constraints", "migrate", "migration-limit", "operations", "stickiness"])
        self.assertEqual([step["name"] for step in document["steps"]], ["guests", "constraints", "agent"])
        self.assertEqual([step["actions"] for step in document["steps"]], [[], [], []])
        self.assertTrue(document["good"])
        self.assertFalse(document["applied"])
        self.assertFalse(document["busy"])
        with open(self.live, encoding="utf-8") as file:
            self.assertEqual(file.read(), before)

    def test_after_it_nothing_is_left_to_be_done(self):
        self.good()
        document = self.setup()
        self.assertEqual(self.found(document), [])
        self.assertEqual(document["steps"], [])

    def test_what_it_sets_is_what_the_hazards_ask_for(self):
        self.good()
        root = self.tree().getroot()
        for name in ("web", "db", "mail.old"):
            guest = root.find(f".//primitive[@id='{name}']")
            values = {pair.get("name"): pair.get("value") for pair in guest.find("meta_attributes")}
            self.assertEqual(values, {"resource-stickiness": "100", "allow-migrate": "true"})
            operations = {op.get("name"): (op.get("timeout"), op.get("on-fail")) for op in guest.iter("op")}
            self.assertEqual(operations, {"migrate_to": ("600s", "block"), "migrate_from": ("600s", None), "start": ("90s", None)})
        self.assertEqual(len(list(root.find(".//primitive[@id='address']").iter("nvpair"))), 1)
        patterns = [place.get("rsc-pattern") for place in root.iter("rsc_location")]
        self.assertEqual(patterns, [r"^(web|db|mail\.old)$"] * 2)
        self.assertEqual(root.find(".//nvpair[@name='migration-limit']").get("value"), "1")
        self.assertIsNotNone(root.find(".//clone/primitive[@provider='dynmem']"))

    def test_each_thing_that_is_undone_is_found_and_mended(self):
        self.good()
        with open(self.live, encoding="utf-8") as file:
            good = file.read()
        cases = {
            "stickiness": (r'(name="resource-stickiness" value=)"100"', r'\1"0"'),
            "stickiness ": (r'(name="resource-stickiness" value=)"100"', r'\1"INFINITY"'),
            "migrate": (r'(name="allow-migrate" value=)"true"', r'\1"false"'),
            "operations": (r'on-fail="block"', ""),
            "operations ": (r'timeout="600s"', 'timeout="2min"'),
            "operations  ": (r'timeout="90s"', 'timeout="20"'),
            "migration-limit": (r'(name="migration-limit" value=)"1"', r'\1"-1"'),
            "constraints": (r'<rsc_location id="dynmem-room".*?</rsc_location>', ""),
            "constraints ": (r"\|mail\\\.old", ""),
            "constraints  ": (r"\(web\|db\|mail\\\.old\)", "(.*)"),
            "agent": (r'<clone id="dynmem-clone".*?</clone>', ""),
        }
        for case, (pattern, instead) in cases.items():
            with self.subTest(case=case):
                count = 1 if case.startswith(("operations", "migrate", "stick")) else 0
                broken, times = re.subn(pattern, instead, good, count=count, flags=re.DOTALL)
                self.assertGreater(times, 0)
                self.save(broken)
                document = self.setup("--apply", status=None if case.strip() == "constraints" else 0)
                self.assertEqual(self.found(document), [case.strip()])
                if document["left"] and document["steps"] and document["good"]:
                    self.assertEqual(self.found(self.setup()), [])

    def run_setup(self, *words, status=0):
        if status is not None:
            return super().run_setup(*words, status=status)
        return subprocess.run([DM_CTL, *words], env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def test_defaults_of_all_resources_count(self):
        self.save(self.bare.xml().replace("<constraints>", "<rsc_defaults><meta_attributes id='r'><nvpair id='r1' name='resource-stickiness'"
                                          " value='120'/></meta_attributes></rsc_defaults><op_defaults><meta_attributes id='o'><nvpair"
                                          " id='o1' name='timeout' value='15min'/></meta_attributes></op_defaults><constraints>", 1))
        document = self.setup()
        self.assertNotIn("stickiness", self.found(document))
        commands = [command for step in document["steps"] for command in step["commands"]]
        self.assertIn("pcs resource update web op migrate_to interval=0s on-fail=block", commands)

    def test_guests_in_groups_and_clones_and_without_a_file_are_told_of(self):
        self.bare.more = "<group id='g'>" + self.bare.guest("inner") + "</group>"
        os.unlink(os.path.join(self.folder, "db.xml"))
        self.save()
        document = self.setup()
        texts = {check["name"]: check["text"] for check in document["checks"] if check["level"] == "warning"}
        self.assertIn("inner", texts["guests"])
        self.assertIn("db", texts["files"])
        self.assertNotIn("inner", json.dumps(document["steps"]))

    def test_a_guest_of_which_half_a_move_is_remembered_is_told_of(self):
        """As after crm_resource --cleanup: web runs on b, which remembers a probe alone, and a has sent it there."""
        begin = "<lrm_resource id='web' class='ocf' provider='heartbeat' type='VirtualDomain'>"
        start = operation("web", self.bare.parameters_of("web"))

        def done(task, number, more=""):
            return start.replace("_start_", f"_{task}_").replace("'start'", f"'{task}'").replace("call-id='2'", f"call-id='{number}'{more}")

        sent = done("migrate_to", 3, " migrate_source='a' migrate_target='b'") + done("stop", 4)
        for there, told in ((done("monitor", 5), True), (done("migrate_from", 5) + done("monitor", 6), False)):
            self.bare.write("live.xml", self.bare.xml().replace(begin + start, begin + sent).replace(
                "</lrm_resources></lrm><transient_attributes id='2'>",
                f"{begin}{there}</lrm_resource></lrm_resources></lrm><transient_attributes id='2'>"))
            said = [check["text"] for check in self.setup(status=None)["checks"] if check["name"] == "history"]
            self.assertEqual([text.rsplit(": ", 1)[1] for text in said], ["web"] if told else [], said)

    def test_a_constraint_that_draws_a_guest_back_is_told_of(self):
        self.bare.constraints = "<rsc_location id='cli-prefer-web' rsc='web' node='a' score='INFINITY'/>"
        self.save()
        self.assertIn("places", self.found(self.setup(), ("warning",)))

    def test_a_pattern_may_be_given(self):
        self.save()
        document = self.setup("--guests=web|db|mail.*", "--for=crmsh")
        commands = [command for step in document["steps"] if step["name"] == "constraints" for command in step["commands"]]
        self.assertIn("crm configure location dynmem-move '/^(web|db|mail.*)$/' rule '$id=dynmem-move-rule' dynmem-move-%1: "
                      "defined dynmem-move-%1", commands[0].split("\n"))
        self.run_setup("cluster", "setup", "--guests=it's", status=2)

    def test_text_can_be_pasted(self):
        self.save()
        text = self.run_setup("cluster", "setup").stdout
        self.assertIn("\n# guests\npcs resource meta web resource-stickiness=100 allow-migrate=true\n", text)
        self.assertIn("Nothing was changed.", text)


class Safe(SetupTest):
    def test_a_step_that_would_move_a_guest_is_not_made(self):
        # a wish that is there before the constraints are
        self.bare.transient["b"] = "<nvpair id='w' name='dynmem-move-web' value='250'/>"
        self.save()
        before = self.bare.xml()
        document = self.setup("--apply", status=1)
        last = document["steps"][-1]
        self.assertEqual((last["name"], last["actions"]), ("constraints", ["migrate web from a to b"]))
        self.assertEqual((document["good"], document["applied"]), (False, False))
        with open(self.live, encoding="utf-8") as file:
            self.assertEqual(file.read(), before)
        self.assertNotIn("pcs constraint", self.run_setup("cluster", "setup", status=1).stdout)

    def test_a_busy_cluster_is_left_alone(self):
        self.bare.places["db"] = "nowhere"
        self.save()
        self.assertTrue(self.setup()["busy"])
        self.assertIn("busy", self.run_setup("cluster", "setup", "--apply", status=1).stderr)

    def test_no_cluster_is_told_in_words(self):
        self.environment["CIB_file"] = "/nonexistent"
        said = self.run_setup("cluster", "setup", status=1).stderr
        self.assertIn("member of a cluster", said)
        self.save("<pool/>")
        self.assertIn("there is no <cib>", self.run_setup("cluster", "setup", "--cib=" + self.live, status=1).stderr)
        self.assertIn("No such file", self.run_setup("cluster", "setup", "--cib=/nonexistent", status=1).stderr)
        self.run_setup("cluster", "setup", "--cib=" + self.live, "--apply", status=2)
        self.run_setup("cluster", "setup", "--for=bash", status=2)
        self.run_setup("cluster", "fly", status=2)
        self.run_setup("cluster", "setup", "web", status=2)


class Capacities(SetupTest):
    def setUp(self):
        super().setUp()
        self.bare.parameters = AUTOSET

    def test_hosts_first_guests_after_the_strategy_last(self):
        self.save()
        self.lines(a=8192, b=4096)
        document = self.setup("--capacities", "--apply")
        self.assertEqual([step["name"] for step in document["steps"]], ["hosts", "guests", "constraints", "agent", "strategy"])
        self.assertTrue(document["applied"])
        root = self.tree().getroot()
        capacities = [pair.get("value") for pair in root.findall(".//node/utilization/nvpair")]
        self.assertEqual(capacities, ["8192", "4096"])
        # 512 MiB, and what a QEMU of 2 GiB and two processors costs
        needs = {pair.get("value") for pair in root.findall(".//primitive/utilization/nvpair")}
        self.assertEqual(len(needs), 1)
        self.assertTrue(560 <= int(needs.pop()) <= 640, needs)
        self.assertEqual(root.find(".//nvpair[@name='placement-strategy']").get("value"), "utilization")
        self.assertEqual(self.found(self.setup("--capacities")), [])

    def test_a_capacity_is_never_below_what_runs_there(self):
        self.save()
        self.lines(a=1000, b=4096)
        document = self.setup("--capacities")
        self.assertEqual([step["actions"] for step in document["steps"]], [[]] * 5)
        web, mail = (int(re.search(r"dynmem=(\d+)", command).group(1)) for command in document["steps"][1]["commands"]
                   if command.startswith(("pcs resource utilization web ", "pcs resource utilization mail.old ")))
        self.assertIn(f"pcs node utilization a dynmem={web + mail}", document["steps"][0]["commands"])

    def test_the_strategy_is_left_out_while_a_host_has_no_capacity(self):
        self.save()
        self.lines(a=8192)
        document = self.setup("--capacities", "--apply", status=1)
        self.assertNotIn("strategy", [step["name"] for step in document["steps"]])
        self.assertIsNone(self.tree().getroot().find(".//nvpair[@name='placement-strategy']"))
        # what it guards against
        with open(self.live, encoding="utf-8") as file:
            text = file.read()
        self.save(text.replace("</cluster_property_set>", '<nvpair id="p" name="placement-strategy" value="utilization"/></cluster_property_set>'))
        done = subprocess.run([CRM_SIMULATE, "-x", self.live, "-R"], env=self.environment, capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, r"(Stop|Migrate|Move) +db ")

    def test_it_is_left_out_while_the_agent_writes_figures_of_its_own(self):
        self.bare.parameters = {}
        self.save()
        self.lines(a=8192, b=4096)
        document = self.setup("--capacities", status=1)
        self.assertIn("autoset", self.found(document))
        self.assertNotIn("strategy", [step["name"] for step in document["steps"]])
        self.assertNotIn("autoset", json.dumps(document["steps"]))

    def test_a_parameter_that_changes_would_restart_its_guest(self):
        self.save()
        with open(self.live, encoding="utf-8") as file:
            self.save(file.read().replace("autoset_utilization_cpu' value='false'", "autoset_utilization_cpu' value='true'", 1))
        self.assertTrue(self.setup()["busy"])

    def test_a_utilization_of_others_without_a_capacity_is_told_of(self):
        self.bare.meta = "<utilization id='{name}-u'><nvpair id='{name}-h' name='hv_memory' value='2048'/></utilization>"
        self.save()
        self.lines(a=8192, b=4096)
        document = self.setup("--capacities", status=1)
        self.assertIn("hv_memory", json.dumps(document["checks"]))
        self.assertNotIn("strategy", [step["name"] for step in document["steps"]])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
