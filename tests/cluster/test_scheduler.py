#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What hosts publish, put before Pacemaker's own scheduler (crm_simulate): exactly the guest that was offered moves, live;
nothing else is moved, stopped or started; and each of the hazards that were measured is caught.

The clusters are those of cluster_model, in moments of theirs: quiet, with a wish, in the middle of a migration, after it. The
constraints are those that administrators are given. CLUSTER_WORLDS= is how many clusters (40), CLUSTER_SEED= the first (1).
"""

import collections
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from pacemaker import CRM_SIMULATE, environment

SKIP = 77
MODEL = os.environ["CLUSTER_MODEL"]
WORLDS = int(os.environ.get("CLUSTER_WORLDS", "40"))
SEED = int(os.environ.get("CLUSTER_SEED", "1"))
GUESTS = "vm-.*"
if CRM_SIMULATE is None:
    print("skipped: there is no crm_simulate; install pacemaker-cli-utils")
    sys.exit(SKIP)

# of migrations: src/cluster's model counts them likewise
NONE, TO, FROM = 0, 1, 2
# what Pacemaker makes of an operation without parameters, so that it does not think they have changed
DIGEST = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
FEATURES = "3.16.1"


def shots(seed, fault=None, hours=4):
    """The moments of that cluster, and how it ended."""
    surroundings = dict(os.environ)
    if fault is not None:
        surroundings["CLUSTER_BREAK"] = fault
    done = subprocess.run([MODEL, "--shots", str(seed), "1", str(hours)], capture_output=True, text=True,
                          env=surroundings, timeout=300, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode == 0


def constraints():
    return subprocess.run([MODEL, "--constraints", GUESTS], capture_output=True, text=True, check=True).stdout


def operation(guest, task, number, source=None, target=None, status=0, rc=0):
    rc = rc if status == 0 else 193
    where = f' migrate_source="{source}" migrate_target="{target}"' if source else ""
    key = f"{number}:1:0:00000000-0000-0000-0000-000000000000"
    return (f'<lrm_rsc_op id="{guest}_{task}_0" operation_key="{guest}_{task}_0" operation="{task}" interval="0"'
            f' crm_feature_set="{FEATURES}" transition-key="{key}" transition-magic="{status}:{rc};{key}"'
            f' call-id="{number}" rc-code="{rc}" op-status="{status}" op-digest="{DIGEST}"{where}/>')


def histories(shot):
    """Host -> resource -> its operations there."""
    found = collections.defaultdict(dict)
    names = [host["name"] for host in shot["hosts"]]
    for guest in shot["guests"]:
        name, here, target = guest["name"], names[guest["host"]], names[guest["target"]]
        started = operation(name, "start", 2)
        if guest["flight"] == NONE:
            found[here][name] = started
            continue
        for other in names:  # it was looked for there once, and not found
            found[other][name] = operation(name, "monitor", 1, rc=7)
        if guest["flight"] == TO:
            found[here][name] = started + operation(name, "migrate_to", 3, here, target, status=-1)
        else:  # it runs on the target; where it came from does not matter as long as it is another
            source = next(other for other in names if other != here)
            found[source][name] = started + operation(name, "migrate_to", 3, source, here)
    # another resource, which none of this is about
    found[names[0]]["address"] = operation("address", "start", 2)
    return found


def primitive(name, utilization):
    return (f'<primitive id="{name}" class="ocf" provider="heartbeat" type="VirtualDomain">'
            f'<meta_attributes id="{name}-m"><nvpair id="{name}-m1" name="allow-migrate" value="true"/>'
            f'<nvpair id="{name}-m2" name="resource-stickiness" value="100"/></meta_attributes>'
            f'<utilization id="{name}-u"><nvpair id="{name}-u1" name="dynmem" value="{utilization}"/></utilization>'
            f'<operations><op id="{name}-o1" name="migrate_to" interval="0" timeout="600s" on-fail="block"/>'
            f'<op id="{name}-o2" name="migrate_from" interval="0" timeout="600s"/></operations></primitive>')


def attributes(host):
    pairs = [("dynmem-room", host["room"])]
    if host["wish"] is not None:
        pairs.append((f"dynmem-move-{host['wish']}", 250))
    return "".join(f'<nvpair id="t-{host["name"]}-{name}" name="{name}" value="{value}"/>' for name, value in pairs)


def cib(shot, strategy, lost=None):
    """The whole cluster as Pacemaker keeps it; lost is a host that has just failed."""
    found = histories(shot)
    nodes, states = [], []
    for number, host in enumerate(shot["hosts"], 1):
        name = host["name"]
        online = ('in_ccm="false" crmd="offline" join="down" expected="member"' if host is lost
                  else 'in_ccm="true" crmd="online" join="member" expected="member"')
        history = "" if host is lost else "".join(
            f'<lrm_resource id="{guest}" class="ocf" provider="heartbeat" type="VirtualDomain">{operations}</lrm_resource>'
            for guest, operations in found[name].items())
        nodes.append(f'<node id="{number}" uname="{name}"><utilization id="u{number}"><nvpair id="u{number}-1"'
                     f' name="dynmem" value="{host["capacity"]}"/></utilization></node>')
        states.append(f'<node_state id="{number}" uname="{name}" {online}><lrm id="{number}"><lrm_resources>{history}'
                      f'</lrm_resources></lrm><transient_attributes id="{number}"><instance_attributes id="s{number}">'
                      f'{"" if host is lost else attributes(host)}</instance_attributes></transient_attributes></node_state>')
    resources = "".join(primitive(guest["name"], guest["utilization"]) for guest in shot["guests"])
    other = ('<primitive id="address" class="ocf" provider="heartbeat" type="VirtualDomain"><meta_attributes id="a-m">'
             '<nvpair id="a-m1" name="resource-stickiness" value="1"/></meta_attributes></primitive>')
    return (f'<cib crm_feature_set="{FEATURES}" validate-with="pacemaker-3.5" epoch="1" num_updates="0" admin_epoch="0"'
            ' have-quorum="1" dc-uuid="1"><configuration><crm_config><cluster_property_set id="p">'
            '<nvpair id="p1" name="stonith-enabled" value="false"/><nvpair id="p2" name="migration-limit" value="1"/>'
            f'<nvpair id="p3" name="placement-strategy" value="{strategy}"/></cluster_property_set></crm_config>'
            f'<nodes>{"".join(nodes)}</nodes><resources>{resources}{other}</resources>'
            f'<constraints>{constraints_xml}</constraints></configuration><status>{"".join(states)}</status></cib>')


def schedule(shot, strategy="default", lost=None):
    """What Pacemaker would do: (action, resource, from, to) of each guest that does not stay as it is."""
    with tempfile.TemporaryDirectory(prefix="dynmem-cluster-") as directory:
        path = os.path.join(directory, "cib.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cib(shot, strategy, lost))
        done = subprocess.run([CRM_SIMULATE, "-x", path, "-R", "--output-as=xml"], capture_output=True, text=True,
                              env=environment(directory), timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    actions = ElementTree.fromstring(done.stdout).find("actions")
    return [(action.get("action"), action.get("resource"), action.get("source") or action.get("node"), action.get("dest"))
            for action in actions.iter("rsc_action")]


def expected(shot):
    """The one guest that may move: it was wished for, and is not there yet or not known to be."""
    names = [host["name"] for host in shot["hosts"]]
    moves = []
    for host in shot["hosts"]:
        for guest in shot["guests"]:
            if guest["name"] != host["wish"]:
                continue
            if names[guest["host"]] != host["name"] or guest["flight"] == FROM:
                moves.append(("migrate", guest["name"], host["name"]))
    return moves


def wrong(shot, strategy="default"):
    """What is wrong with what Pacemaker would do; None: nothing."""
    if sum(host["wish"] is not None for host in shot["hosts"]) > 1:
        return "two guests are wished for"
    done = [(action, guest, dest) for action, guest, _, dest in schedule(shot, strategy)]
    return None if done == expected(shot) else f"{done}, and not {expected(shot)}"


constraints_xml = constraints()


class Scheduler(unittest.TestCase):
    def judge(self, seed):
        """Each moment of a cluster, with one of the strategies; and what else was seen of it."""
        moments, good = shots(seed)
        if not good:
            return [f"seed {seed}: the model itself is broken"], collections.Counter()
        seen = collections.Counter(clusters=1)
        problems, dice = [], random.Random(seed)
        # of each kind the last one
        for moment in {self.kind(moment): moment for moment in moments}.values():
            for host in moment["hosts"]:  # room may be anything: it is older than what moves
                host["room"] = dice.randint(0, 5) * 10
            problem = wrong(moment)
            seen[self.kind(moment)] += 1
            if problem:
                problems.append(f"seed {seed}: {problem}")
        return problems, seen

    def kind(self, moment):
        flights = {guest["flight"] for guest in moment["guests"]}
        if flights != {NONE}:
            return "arriving" if FROM in flights else "in flight"
        if any(host["wish"] is not None for host in moment["hosts"]):
            return "wished" if expected(moment) else "arrived"
        return "quiet"

    def test_exactly_the_offered_guest_moves(self):
        problems, seen = [], collections.Counter()
        with concurrent.futures.ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 2)) as pool:
            for some, counts in pool.map(self.judge, range(SEED, SEED + WORLDS)):
                problems += some
                seen += counts
        print(dict(seen), file=sys.stderr)
        self.assertEqual(problems, [])
        self.assertGreater(seen["quiet"], 0)
        if WORLDS >= 20:
            self.assertGreater(min(seen["wished"], seen["in flight"], seen["arriving"], seen["arrived"]), 0)

    def test_static_figures_stop_nobody_and_fill_no_survivor(self):
        for seed in range(SEED, SEED + max(WORLDS // 8, 3)):
            shot = shots(seed, hours=1)[0][-1]
            for host in shot["hosts"]:
                host["wish"] = None
            for guest in shot["guests"]:
                guest["flight"] = NONE
            with self.subTest(seed=seed):
                self.assertEqual(schedule(shot, "utilization"), [])
                lost = shot["hosts"][0]
                done = schedule(shot, "utilization", lost)
                names = [host["name"] for host in shot["hosts"]]
                used = collections.Counter()
                for guest in shot["guests"]:
                    used[names[guest["host"]]] += guest["utilization"]
                for action, resource, source, dest in done:
                    self.assertEqual(action, "start", done)
                    if resource == "address":
                        continue
                    guest = next(guest for guest in shot["guests"] if guest["name"] == resource)
                    self.assertEqual(names[guest["host"]], lost["name"], resource)
                    used[dest or source] += guest["utilization"]
                for host in shot["hosts"]:
                    if host is not lost:
                        self.assertLessEqual(used[host["name"]], host["capacity"])


class Hazards(unittest.TestCase):
    """Each breaks a rule of src/cluster, and the scheduler does what must not be."""

    def done_by(self, fault, seed, strategy="default"):
        moments, good = shots(seed, fault, 12)
        self.assertFalse(good)
        self.assertIsNotNone(wrong(moments[-1], strategy))
        return schedule(moments[-1], strategy)

    def test_a_score_below_0_stops_guests(self):
        actions = self.done_by("1", 1)
        self.assertTrue({action for action, *_ in actions} & {"stop", "move", "migrate"}, actions)

    def test_a_capacity_below_what_runs_moves_or_stops_guests_that_nobody_offered(self):
        actions = self.done_by("2", 4, "utilization")
        self.assertTrue({action for action, *_ in actions} & {"stop", "migrate"}, actions)

    def test_room_above_stickiness_moves_guests_that_nobody_offered(self):
        self.assertIn("migrate", {action for action, *_ in self.done_by("17", 1)})

    def test_a_wish_withdrawn_in_the_middle_of_a_migration_starts_the_guest_cold(self):
        moments, good = shots(2, "11", 12)
        self.assertFalse(good)
        moving = next(guest for guest in moments[-1]["guests"] if guest["flight"] == FROM)
        for number, host in enumerate(moments[-1]["hosts"]):
            host["room"] = 0 if number == moving["target"] else 50  # who took it in has none any more
        self.assertIsNotNone(wrong(moments[-1]))
        self.assertEqual([action for action, *_ in schedule(moments[-1])], ["move"])

    def test_two_motions_at_once_are_seen(self):
        self.done_by("3", 63)

    def test_a_wish_of_a_dead_daemon_is_followed(self):
        moments, good = shots(82, "dead", 12)
        self.assertFalse(good)
        self.assertEqual([action for action, *_ in schedule(moments[-1])], ["migrate"])


if __name__ == "__main__":
    unittest.main()
