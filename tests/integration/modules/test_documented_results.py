# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules return exactly the documented keys with the documented types."""

from __future__ import annotations

import ast
import typing as t

import pytest
import yaml
from eemsim.client import Simulator
from module_runs import MODULES, ROOT, Ansible, Orders, Task, call

Documented = dict[str, dict[str, t.Any]]

TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "list": list,
    "dict": dict,
}
GPU = {"pci_device": {"type": ["GPU"]}}
NO_GPU = {"devices": [{"type": "GPU", "count": 40}]}


def documented(module: str) -> Documented:
    """The RETURN of a module."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    texts = [
        statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id == "RETURN"
    ]
    found: Documented = yaml.safe_load(texts[0]) or {}
    return found


def wrong(
    value: t.Any, keys: Documented, where: str, seen: set[str], failed: bool = False, top: bool = False
) -> list[str]:
    """What in a dictionary is not as documented; the documented keys that are there are added to ``seen``."""
    always = ("failure",) if failed else ("success", "always")
    found = [f"{where}{key} is returned and not documented" for key in value if key not in keys]
    for key, about in keys.items():
        path, returned = f"{where}{key}", about["returned"]
        if key in value:
            seen.add(path)
            if top and returned == ("success" if failed else "failure"):
                found.append(f"{path} is returned, and documented for {returned}")
            found += wrong_value(value[key], about, path, seen)
        elif returned.startswith(always) if top else returned == "always":
            found.append(f"{path} is documented and not returned")
    return found


def wrong_value(value: t.Any, about: dict[str, t.Any], path: str, seen: set[str]) -> list[str]:
    if value is None:
        return []
    kind = about["type"]
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        return [f"{path} is documented as {kind} and is {value!r}"]
    if kind == "dict" and "contains" in about:
        return wrong(value, about["contains"], f"{path}.", seen)
    if kind != "list":
        return []
    found = []
    for item in value:
        if not isinstance(item, TYPES[about["elements"]]):
            found.append(f"{path} is documented as a list of {about['elements']} and has {item!r}")
        elif "contains" in about:
            found += wrong(item, about["contains"], f"{path}[].", seen)
    return found


def all_keys(keys: Documented, where: str = "") -> set[str]:
    """The paths of all documented keys."""
    found = set()
    for key, about in keys.items():
        found.add(f"{where}{key}")
        if "contains" in about:
            found |= all_keys(about["contains"], f"{where}{key}{'[]' if about['type'] == 'list' else ''}.")
    return found


def everything(eem: Simulator, rack1: Task, orders: Orders, away: str) -> list[Task]:
    """Tasks after which every module has succeeded and failed in each way that gives other keys."""
    eesvs, eeios = (sorted(card["id"] for card in cards) for cards in (eem.eesvs(), eem.eeios()))
    refuse = orders.fault(
        {"do": "fail", "code": "40900", "message": "not now"}, method="PUT", path="group_id$", nth=2, times=-1
    )
    no_delete = orders.fault(
        {"do": "fail", "code": "40900", "message": "not now"}, method="DELETE", path="group_id$", nth=2, times=-1
    )
    no_led = orders.fault({"do": "fail", "code": "40900", "message": "not now"}, method="PUT", path="led", times=-1)
    no_audit = orders.fault({"do": "drop"}, method="PUT", path="audit", times=-1)
    both = {"pci_device": {"type": ["GPU", "SSD"]}}
    node = call("node", podm="rack1", name="n1")
    layout = call("layout", podm="rack1")
    attach = call("device_attach", podm="rack1", node=eesvs[1], devices=eeios[9:11])
    return [
        rack1.having(
            description="GPUs",
            location="Hall 2",
            client_cert="/etc/hostname",
            client_key="/etc/hostname",
            ca_path="/etc/hostname",
        ),
        rack1.having(name="away", url=away, retries=0, timeout=1),
        rack1.having(name="rack2", url=f"{eem.url}/nowhere", retries=0).failing(),
        call("podm", name="away", state="absent").checked(),
        call("podm", name="none", state="absent"),
        call("flavor", name="small", properties=GPU, description="One GPU"),
        call("flavor", name="none", state="absent"),
        call("flavor", name="odd", properties={}).failing(),
        node.having(properties=both).failing().after(refuse),
        node.having(flavor="small", node_index=eesvs[3]).after(orders.no_faults()),
        node.having(properties=NO_GPU).failing(),
        call("node", podm="rack1", name="n2", node_index=eesvs[2], state="managed"),
        call("node", podm="rack1", name="n3", state="absent"),
        attach.failing().after(refuse),
        attach.after(orders.no_faults()),
        attach.having(node="n1").failing(),
        call("device_attach", podm="rack1", devices=eeios[9], state="detached"),
        call("device", podm="rack1", device="n2", uid_led="on"),
        call("device", podm="rack1", device=eeios[9], uid_led="on").failing().after(no_led),
        call("device", podm="rack1", device="0x8cdf9dffffff", state="absent").after(orders.no_faults()),
        call("device", podm="rack1", device="n9").failing(),
        call("device_action", podm="rack1", device=eeios[9], action="reset"),
        call("device_action", podm="rack1", device=eeios[9], action="audit").failing().after(no_audit),
        call("device_info").after(orders.no_faults()),
        call("device_info", source="registry"),
        call("device_info", podm="none").failing(),
        call("system_info"),
        call("system_info", podm="none").failing(),
        call("node_info"),
        call("node_info", podm="none").failing(),
        call("flavor_info"),
        call("flavor_info", registry="nothing://there").failing(),
        call("podm_info", check=True),
        call("podm_info", registry="nothing://there").failing(),
        call("sync"),
        call("sync", podms="none").failing(),
        call("node", podm="rack1", name="n2", properties=GPU),
        call("layout_info", podm="rack1"),
        call("layout_info", podm="none").failing(),
        layout.having(nodes=[{"name": "n4", "properties": both}]).failing().after(refuse),
        layout.having(nodes=[{"name": "n4", "flavor": "small"}]).after(orders.no_faults()),
        layout.having(nodes=[{"name": "n4", "properties": NO_GPU}]).failing(),
        layout.having(nodes=[{"name": "n1"}, {"name": "n2"}], release_others=True),
        call("podm", name="rack1", state="absent", cascade=True)
        .failing()
        .after(orders.patch(eeios[0], admin_status="disabled")),
        call("podm", name="rack1", state="absent", cascade=True)
        .failing()
        .after(orders.patch(eeios[0], admin_status="enabled"), no_delete),
        call("node", podm="rack1", name="n1", state="absent").after(orders.no_faults()),
        call("podm", name="rack1", state="absent", cascade=True),
    ]


@pytest.mark.smoke
def test_every_module_returns_what_its_documentation_says(
    ansible: Ansible, eem: Simulator, rack1: Task, orders: Orders
) -> None:
    odd = [{**card, "update_time": int(card["update_time"])} for card in eem.records()]
    eem.reset(devices=odd)
    with Simulator(eesv=1, eeio=2, seed=200) as other:
        tasks = everything(eem, rack1, orders, other.url)
        first = ansible.play(*tasks[:2])
    # From here on the other EEM is away.
    run = ansible.play(*tasks[2:])
    results = [*first, *run]
    found: list[str] = []
    for module in MODULES:
        keys, seen = documented(module), set[str]()
        mine = [result for result in results if result.module == f"nec.expether.{module}"]
        assert {result.failed for result in mine} == {True, False}, f"{module} is to be tried here"
        for result in mine:
            value = {key: result.data[key] for key in result.keys}
            found += [
                f"{module}: {each} ({result.task})" for each in wrong(value, keys, "", seen, result.failed, top=True)
            ]
        found += [f"{module}: {path} is documented and was never returned" for path in sorted(all_keys(keys) - seen)]
    assert not found, "\n".join(found)


def test_a_documented_key_that_is_missing_is_found() -> None:
    keys: Documented = {
        "podms": {
            "returned": "success",
            "type": "list",
            "elements": "dict",
            "contains": {"name": {"returned": "always", "type": "str"}, "size": {"returned": "always", "type": "int"}},
        }
    }
    seen = set[str]()
    assert wrong({"podms": [{"name": "a", "size": 1}]}, keys, "", seen, top=True) == []
    assert len(wrong({"podms": [{"name": 1, "other": 2}], "more": 1}, keys, "", seen, top=True)) == 4
    assert wrong({}, keys, "", seen, top=True) == ["podms is documented and not returned"]
    assert all_keys(keys) == seen == {"podms", "podms[].name", "podms[].size"}
