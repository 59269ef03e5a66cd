# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks do both sides: EEM's, and that of hosts in the inventory, which are trees that look like sysfs and procfs.

Each host is this machine with a tree and a kernel of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import typing as t

import pytest
import yaml
from eemsim.client import Simulator
from guides import ROOT, blocks_of
from module_runs import Ansible, Task, call
from pci_tree import Kernel, Tree

Json = t.Any
PORTS = ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0", "0000:04:00.0")
HOTPLUG = ROOT / "docs" / "docsite" / "rst" / "guide_hotplug.rst"


class Hosts:
    """An inventory of hosts that are nodes, and plays on it."""

    def __init__(self, ansible: Ansible, eem: Simulator, stack: contextlib.ExitStack) -> None:
        self._ansible, self._eem, self._stack = ansible, eem, stack
        self.trees: dict[str, Tree] = {}
        self.variables: dict[str, dict[str, Json]] = {}

    def add(self, name: str, **variables: Json) -> Tree:
        """Add a host to the inventory."""
        tree = Tree(self._ansible.folder / f"tree-{name}").create()
        self._stack.enter_context(Kernel(tree))
        self.trees[name] = tree
        self.variables[name] = {
            "ansible_connection": "local",
            "ansible_become": False,
            "pci_hotplug_sysfs_root": str(tree.sys),
            "pci_hotplug_proc_root": str(tree.proc),
            "pci_hotplug_timeout": 5,
            "pci_hotplug_pause": 0,
            **variables,
        }
        return tree

    def plug(self, host: str, port: int, card: str, is_found: bool = True, **more: Json) -> str:
        """Connect a card with a host; return the address of its function."""
        record = self._eem.card(card)
        ids = {key: f"{int(record[f'pcie_{key}_id'], 16):04x}" for key in ("vendor", "device")}
        plug = {"address": PORTS[port], **ids, "class": f"{int(record['pcie_class_code'], 16):06x}", "driver": "any"}
        (self.trees[host].add if is_found else self.trees[host].plug)({**plug, **more})
        return PORTS[port]

    def seen(self, host: str) -> list[str]:
        return sorted(os.listdir(self.trees[host].sys / "bus/pci/devices"))

    def play(self, playbook: str, *arguments: str, **variables: Json) -> Played:
        (self._ansible.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": self.variables}}))
        self._eem.reset_log()
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", f"--inventory={self._ansible.folder / 'hosts.json'}"]
            + [f"--extra-vars={json.dumps({'ansible_python_interpreter': sys.executable, **variables})}"]
            + [*arguments, playbook if "/" in playbook else f"nec.expether.{playbook}"],
            cwd=self._ansible.folder,
            env={
                **{name: value for name, value in self._ansible.environment.items() if "CALLBACK" not in name},
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SSH_TIMEOUT": "2",
            },
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
        )
        print(done.stdout, done.stderr)
        assert not re.search("Traceback|DEPRECATION", done.stdout + done.stderr), done.stdout + done.stderr
        log = self._eem.log()
        return Played(
            done.returncode,
            " ".join(done.stdout.split()) + done.stderr,
            sum(each["path"].endswith("/devices/detail") and not each["query"].get("group_id") for each in log),
            [f"{each['method']} {each['path']}" for each in log if each["method"] != "GET"],
        )


class Played(t.NamedTuple):
    """What came of a play.

    :ivar listings: how many times EEM listed its cards
    :ivar changes: requests that change a card
    """

    status: int
    output: str
    listings: int
    changes: list[str]


@pytest.fixture(name="hosts")
def fixture_hosts(ansible: Ansible, eem: Simulator) -> t.Iterator[Hosts]:
    with contextlib.ExitStack() as stack:
        yield Hosts(ansible, eem, stack)


def nodes(ansible: Ansible, known: Task, eesvs: list[str]) -> None:
    """Let n1 and n2 be nodes with a GPU and an SSD each."""
    types = {"pci_device": {"type": ["GPU", "SSD"]}}
    ansible.play(
        known,
        call("node", podm="rack1", name="n1", node_index=eesvs[0], properties=types),
        call("node", podm="rack1", name="n2", node_index=eesvs[1], properties=types),
    )


def test_detach_prepares_the_host_first_and_only_for_devices_that_eem_detaches(
    ansible: Ansible, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    gpu, ssd = eeios[:2]
    tree = hosts.add("n1")
    gpu_at = hosts.plug("n1", 0, gpu)
    ssd_at = hosts.plug("n1", 1, ssd, nvme="nvme9n1")
    tree.mount("259:91", "/dev/nvme9n1p1", "/srv/data")
    # A mounted SSD is not detached.
    refused = hosts.play("detach", devices=f"{gpu},{ssd}")
    assert refused.status and "nvme9n1p1 is mounted at /srv/data" in refused.output, refused
    assert "EEM was not asked to detach" in refused.output, refused
    assert refused.changes == [] and hosts.seen("n1") == [gpu_at, ssd_at]
    checked = hosts.play("detach", "--check", devices=gpu)
    assert (checked.status, checked.changes, hosts.seen("n1")) == (0, [], [gpu_at, ssd_at]), checked
    assert "Would be changed" in checked.output
    # A limit that leaves the host out does not matter.
    hosts.variables["localhost"] = {"ansible_connection": "local"}
    real = hosts.play("detach", "--limit=localhost", devices=gpu)
    assert (real.status, len(real.changes), hosts.seen("n1"), real.listings) == (0, 1, [ssd_at], 2), real
    again = hosts.play("detach", devices=gpu)
    assert (again.status, again.changes) == (0, []) and "changed=0" in again.output, again


def test_a_host_gets_its_devices_back_if_eem_does_not_detach_them(
    ansible: Ansible, eem: Simulator, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    hosts.add("web", expether_id=eesvs[0], pci_hotplug_remove_equal=True)
    own = hosts.plug("web", 0, eeios[0])
    other = hosts.plug("web", 1, eeios[0])  # an equal one of the server
    eem.fault("fail", method="DELETE", status=400, times=-1)
    failed = hosts.play("release", node_name="n1")
    assert failed.status and "Hosts that were prepared have rescanned their PCI bus (web)" in failed.output
    assert hosts.seen("web") == [own, other] and eem.card(eeios[0])["group_id"] == eem.card(eesvs[0])["group_id"]
    eem.clear_faults()
    hosts.trees["web"].unplug(own)
    released = hosts.play("release", node_name="n1")
    assert released.status == 0 and hosts.seen("web") == [other], "the equal one comes back"
    assert {eem.card(device)["group_id"] for device in eeios[:2]} == {"4093"}


def test_release_and_purge_refuse_a_host_that_cannot_be_reached_unless_it_does_not_matter(
    ansible: Ansible, eem: Simulator, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    hosts.add("n1", ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=9)
    refused = hosts.play("release", node_name="n1")
    assert refused.status and refused.changes == []
    assert "n1, the host of node n1, cannot be prepared for the loss of its devices: " in refused.output
    assert "Nothing was changed." in refused.output and "set host_side to false" in refused.output
    purged = hosts.play("compose", node_name="n1", device_types="GPU", purge=True)
    assert purged.status and "cannot be prepared" in purged.output and purged.changes == []
    hosts.variables["n1"].update(
        ansible_connection="local", ansible_become=True, ansible_become_user="nobody", ansible_become_exe="/bin/false"
    )
    denied = hosts.play("detach", devices=eeios[0])
    assert denied.status and "cannot be prepared" in denied.output and denied.changes == []
    attached = hosts.play("attach", node_name="n1", devices=eeios[2])
    assert attached.status and len(attached.changes) == 1
    assert "n1, the host of node n1, cannot be rescanned:" in attached.output
    released = hosts.play("release", node_name="n1", host_side="false")
    assert (released.status, len(released.changes), released.listings) == (0, 3, 1)


def test_attach_takes_devices_from_one_host_and_rescans_the_other(
    ansible: Ansible, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    hosts.add("n1")
    hosts.add("node-of-rack", expether_id=eesvs[1])
    gpu = hosts.plug("n1", 0, eeios[0])
    ssd = hosts.plug("n1", 1, eeios[1])
    there = hosts.plug("node-of-rack", 0, eeios[3])
    moved = hosts.plug("node-of-rack", 1, eeios[0], is_found=False)
    hosts.plug("node-of-rack", 2, eeios[4])
    refused = hosts.play("attach", node_name="n2", devices=eeios[0])
    assert refused.status and "`move: true` would take it from there" in refused.output
    checked = hosts.play("attach", "--check", node_name="n2", devices=eeios[0], move="true")
    assert checked.status == 0 and checked.changes == []
    done = hosts.play("attach", node_name="n2", devices=eeios[0], move="true")
    assert (done.status, len(done.changes)) == (0, 2)
    assert hosts.seen("n1") == [ssd] and gpu == there
    assert hosts.seen("node-of-rack") == [there, moved, PORTS[2]]
    assert f"{moved} GPU" in done.output and "Host node-of-rack sees:" in done.output
    again = hosts.play("attach", node_name="n2", devices=eeios[0], move="true")
    assert (again.status, again.changes) == (0, []) and "changed=0" in again.output


def test_a_host_that_is_not_in_the_inventory_costs_nothing(
    ansible: Ansible, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    hosts.add("web")
    attached = hosts.play("attach", node_name="n1", devices=eeios[2])
    assert (attached.status, attached.listings, len(attached.changes)) == (0, 1, 1)
    detached = hosts.play("detach", node_name="n1", devices=eeios[2])
    assert (detached.status, detached.listings, len(detached.changes)) == (0, 1, 1)
    named = hosts.play("detach", devices=[eeios[0], eeios[3]], node_host="web")
    assert (
        named.status and named.changes == [] and "devices of several nodes would be detached (n1, n2)" in named.output
    )
    unknown = hosts.play("detach", devices=eeios[0], node_host="nobody")
    assert unknown.status and "node_host is nobody, which is not a host of the inventory" in unknown.output
    released = hosts.play("release", node_name="n1")
    assert (released.status, released.listings, len(released.changes)) == (0, 1, 2)


def test_failover_moves_devices_only_from_a_server_that_cannot_use_them(
    ansible: Ansible, eem: Simulator, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    hosts.add("n2")
    hosts.plug("n2", 0, eeios[3])
    at = hosts.plug("n2", 1, eeios[1], is_found=False)
    hosts.plug("n2", 2, eeios[4])
    ssd, move = eeios[1], {"node_from": "n1", "node_to": "n2", "devices": eeios[1]}
    rows: list[tuple[dict[str, Json], str]] = [
        (move, f"n1 may still use {ssd}, because its card responds. Nothing was changed."),
        ({**move, "fenced": "no"}, "because its card responds"),
        ({**move, "fenced": "perhaps"}, "fenced is perhaps, but must be true or false"),
        ({**move, "device_types": "SSD"}, "Set either devices to EEM ids or UUIDs, or device_types"),
        ({**move, "node_to": "n3"}, "EEM does not list a system of node_to (n3)."),
        ({**move, "node_to": eesvs[0]}, "node_from and node_to are the same system."),
        ({**move, "devices": "0x8cdf9dffffff"}, "EEM does not list all of the devices (0x8cdf9dffffff)."),
        ({**move, "node_from": eesvs[2]}, f"These devices belong to neither {eesvs[2]} nor n2: {ssd}."),
        (
            {"node_from": "n1", "node_to": "n2", "device_types": "USB"},
            "Neither n1 nor n2 has a device of the type USB.",
        ),
    ]
    # Each refusal is a host of one play.
    for number, (variables, _message) in enumerate(rows):
        hosts.variables[f"row{number}"] = {"ansible_connection": "local", **variables}
    refused = hosts.play("failover", expether_hosts="row*", expether_pause=0)
    assert refused.status and refused.changes == []
    recap = re.findall(r"row\d+ +: ok=\d+ +changed=0 +unreachable=0 +failed=1 ", refused.output)
    assert len(recap) == len(rows) and [text for _row, text in rows if text not in refused.output] == []
    hosts.variables = {"n2": hosts.variables["n2"]}
    # EEM has just failed over to another host: it does not listen, then it starts, then it lists nothing.
    eem.silence(eesvs[0])
    ansible.play(call("podm", name="rack1", retries=8))
    for method, path in (("GET", "detail"), ("PUT", "group_id$")):
        eem.fault("restart", method=method, path=path, down=1, starting=1, empty=1)
    done = hosts.play("failover", **move)
    assert done.status == 0 and len(done.changes) >= 2, done.output
    assert eem.card(ssd)["group_id"] == eem.card(eesvs[1])["group_id"] and at in hosts.seen("n2")
    eem.patch(eesvs[0], notification_status0=["up", "down"])
    again = hosts.play("failover", **move)
    assert (again.status, again.changes) == (0, []) and "changed=0" in again.output, "although n1 responds again"


def test_failover_back_is_orderly_because_the_server_is_alive(
    ansible: Ansible, eem: Simulator, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    hosts.add("n1")
    tree = hosts.add("n2")
    hosts.plug("n1", 0, eeios[1])
    hosts.plug("n1", 2, eeios[0])
    back = hosts.plug("n1", 1, eeios[4], is_found=False)
    left = hosts.plug("n2", 0, eeios[3])
    hosts.plug("n2", 1, eeios[4], nvme="nvme9n1")
    tree.process(4711, "database", "/dev/nvme9n1")
    move = {"node_from": "n2", "node_to": "n1", "device_types": "SSD"}
    refused = hosts.play("failover", **move)
    assert (
        refused.status and "process database (4711) has /dev/nvme9n1 open" in refused.output and refused.changes == []
    )
    alone = hosts.play("failover", host_side=False, **move)
    assert alone.status and "because its card responds" in alone.output
    (tree.proc / "4711/fd/0").unlink()
    done = hosts.play("failover", **move)
    assert (done.status, len(done.changes), hosts.seen("n2")) == (0, 2, [left]), done.output
    assert back in hosts.seen("n1") and "Host n1 sees:" in done.output
    # The system is gone for EEM: only fencing helps.
    eem.delete_card(eesvs[0])
    ansible.play(call("sync", podms="rack1"))
    gone = {"node_from": "n1", "node_to": "n2", "device_types": "SSD"}
    refused = hosts.play("failover", **gone)
    assert refused.status and "EEM does not list the system of node_from (n1)" in refused.output, refused.output
    hosts.plug("n2", 2, eeios[1], is_found=False)
    hosts.plug("n2", 3, eeios[4], is_found=False)
    fenced = hosts.play("failover", fenced="yes", **gone)
    assert (fenced.status, len(fenced.changes)) == (0, 4), fenced.output


def source_of_nodes(ansible: Ansible, hosts: Hosts) -> str:
    """Let each node be a host with the tree that was added last; return the argument."""
    _name, variables = hosts.variables.popitem()
    texts = {key: f"'{value}'" for key, value in variables.items() if isinstance(value, str)}
    source = {"plugin": "nec.expether.expether", "compose": {**texts, "ansible_become": "false"}}
    (ansible.folder / "rack.expether.yml").write_text(json.dumps(source))
    return f"--inventory={ansible.folder / 'rack.expether.yml'}"


@pytest.mark.smoke
def test_from_composed_to_used_and_released_in_one_play_as_the_guide_shows(
    ansible: Ansible, eem: Simulator, hosts: Hosts, known: Task, eeios: list[str]
) -> None:
    ansible.play(known)
    hosts.add("tree")
    at = hosts.plug("tree", 0, eeios[1], is_found=False)
    inventory = source_of_nodes(ansible, hosts)
    (story,) = (block.text for block in blocks_of(HOTPLUG) if "refresh_inventory" in block.text)
    (ansible.folder / "story.yml").write_text(story)
    told = hosts.play(str(ansible.folder / "story.yml"), inventory)
    assert told.status == 0 and f"{at} is driven by any" in told.output, told.output
    assert hosts.seen("tree") == [] and eem.card(eeios[1])["group_id"] == "4093"


def test_compose_finds_the_host_of_a_node_that_it_has_composed(
    ansible: Ansible, hosts: Hosts, known: Task, eeios: list[str]
) -> None:
    ansible.play(known)
    hosts.add("tree")
    at = hosts.plug("tree", 0, eeios[1], is_found=False)
    inventory = source_of_nodes(ansible, hosts)
    composed = hosts.play("compose", inventory, node_name="train-2", device_types="SSD")
    assert composed.status == 0 and "Host train-2 sees:" in composed.output, composed.output
    assert hosts.seen("tree") == [at]
    released = hosts.play("release", inventory, node_name="train-2")
    assert released.status == 0 and hosts.seen("tree") == []


def test_a_layout_is_exported_edited_and_applied_with_all_hosts_prepared_and_rescanned(
    ansible: Ansible, eem: Simulator, hosts: Hosts, known: Task, eesvs: list[str], eeios: list[str]
) -> None:
    nodes(ansible, known, eesvs)
    file = ansible.folder / "rack1.yml"
    exported = hosts.play("layout_export", layout_file="rack1.yml")
    assert exported.status == 0 and exported.changes == [], exported
    layout = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert [list(entry) for entry in layout["nodes"]] == [["name", "node_index", "properties"]] * 2
    unchanged = hosts.play("layout", layout_file="rack1.yml")
    assert (unchanged.status, unchanged.changes, unchanged.listings) == (0, [], 1) and "changed=0" in unchanged.output
    (ansible.folder / "none.yml").write_text("nodes: []\n", encoding="utf-8")  # as exported before there are nodes
    without = hosts.play("layout", layout_file="none.yml")
    assert without.status == 0 and "The layout has no nodes: nothing to change" in without.output, without
    # n1 gives its SSD to n2, and n3 is new. Two hosts are in the inventory.
    ssd = layout["nodes"][0]["properties"]["devices"].pop()
    assert ssd["type"] == "SSD"
    layout["nodes"][1]["properties"]["devices"] += [{"type": "SSD"}]
    layout["nodes"].append({"name": "n3", "node_index": eesvs[3], "properties": {"devices": [{"type": "NIC"}]}})
    for device in eem.eeios():  # all other SSDs are in use
        if device["pcie_class_code"].startswith("0x1") and device["group_id"] == "4093":
            eem.patch(device["id"], group_id="19")
    file.write_text(json.dumps(layout), encoding="utf-8")
    hosts.add("n1")
    hosts.add("n3")
    hosts.add("node-of-rack", expether_id=eesvs[1])
    gpu, taken = hosts.plug("n1", 0, eeios[0]), hosts.plug("n1", 1, eeios[1])
    there = hosts.plug("node-of-rack", 0, eeios[3]), hosts.plug("node-of-rack", 1, eeios[4])
    moved = hosts.plug("node-of-rack", 2, eeios[1], is_found=False)
    checked = hosts.play("layout", "--check", "--diff", layout_file="rack1.yml")
    assert (checked.status, checked.changes) == (0, []) and "Node n3 on system" in checked.output, checked
    assert "would be changed" in checked.output and '"n3": {' in checked.output, checked
    done = hosts.play("layout", layout_file="rack1.yml")
    assert done.status == 0 and len(done.changes) == 2 + 2, done
    assert hosts.seen("n1") == [gpu] and taken not in hosts.seen("n1")
    assert hosts.seen("node-of-rack") == [*there, moved]
    assert "Host node-of-rack sees:" in done.output
    assert "n3 was not rescanned: its system has a new group id" in done.output
    nic = next(card["id"] for card in eem.eeios() if card["group_id"] == eem.card(eesvs[3])["group_id"])
    hosts.plug("n3", 0, nic)  # after the reboot
    again = hosts.play("layout", layout_file="rack1.yml")
    assert (again.status, again.changes) == (0, []) and "changed=0" in again.output, again
