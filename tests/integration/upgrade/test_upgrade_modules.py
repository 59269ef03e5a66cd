# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that were written for 0.1.0, with each option that it had and its own examples, do with this version what they did.

Two fleets are equal. At one of them 0.1.0 runs each task, at the other one this version. At the first one, this version also
says in check mode what it would change where 0.1.0 has just run the task.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from eemsim.client import Simulator
from forks import Json, Options
from versions import Site, Version, differences

#: Differences that are intended, and why. Each one is a breaking change in the changelog, and in the guide about the registry.
INTENDED = {
    r"flavor(_info)?: .*\.properties\.devices\[\]\.(device_id|type: 'gpu' 'GPU')": "properties have one form",
    r"(sync|podm_info): .*\.podms: all pod managers, now only podm": "`podm` is another name of `podms` and `name`",
    r"sync: checked: \.(changed|podms\[\]\.(updated|unchanged))": "0.1.0 did not store `populated` and `connected`",
}
#: Any file that can be read: nothing is encrypted here.
FILE = "/etc/hostname"
#: The order in which the examples of 0.1.0 work; "podm" is their first and their last.
EXAMPLES = (
    "podm",
    "podm_info",
    "sync",
    "flavor",
    "flavor_info",
    "system_info",
    "node",
    "node_info",
    "device_attach",
    "device_info",
    "device",
    "device_action",
)


@dataclasses.dataclass(frozen=True)
class Step:
    """A task.

    :ivar repeats: whether it changes something each time
    :ivar before: what happens at the EEM before it
    """

    module: str
    options: Options
    fails: bool = False
    repeats: bool = False
    before: t.Callable[[Simulator], object] | None = None
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


def story(eem: Simulator) -> list[Step]:
    """Tasks that follow each other, in which each option of 0.1.0 occurs."""
    systems = sorted(card["id"] for card in eem.eesvs())
    gpus, ssds, nics = (sorted(card["id"] for card in eem.eeios())[kind::3] for kind in range(3))
    card = eem.card(gpus[3])
    password = {"username": eem.username, "password": eem.password}
    how = {
        **password,
        "validate_certs": True,
        "ca_path": FILE,
        "client_cert": FILE,
        "client_key": FILE,
        "timeout": 20,
        "retries": 2,
        "conditional_updates": True,
    }
    where = {"registry": "sqlite:///<folder>/registry.sqlite3", "registry_key_file": "<folder>/registry.sqlite3.key"}
    rack1 = {"podm": "rack1"}
    by_url = {"url": "<url 1>", **how, **where}
    unused = {**rack1, **by_url}  # module_defaults of the action group set them
    short = {"devices": [{"type": "NIC", "count": 1}]}
    exact = {
        "type": "gpu",
        "count": 1,
        "vendor_id": card["pcie_vendor_id"][2:],
        "device_id": card["pcie_device_id"][2:].upper(),
        "model": card["model"],
    }
    two_gpus = {"devices": [{"type": "GPU", "count": 2}, {"type": "SSD"}]}
    texts = {"description": "GPUs", "location": "Hall 2, rack 14"}
    whole = {**texts, "state": "present", "sync": True, "cascade": False, **unused}
    emptied = {"client_cert": "", "client_key": "", "ca_path": "", "validate_certs": False, "description": ""}
    valence = {"pci_device": {"type": ["GPU", "SSD"]}}
    credentials = {"EEM_USERNAME": str(eem.username), "EEM_PASSWORD": eem.password}
    return [
        Step("podm", {"name": "rack1", **whole}),
        Step("podm", {"name": "rack1", "url": None, "timeout": None}),
        Step("podm", {"name": "rack1", "url": "<url 1>", **password, **emptied}),
        Step("podm", {"name": "rack2", "url": "<url 2>/", **password, "sync": False}),
        Step("podm", {"name": "rack3", "url": "<url 2>", **password}, fails=True),
        Step("podm", {"name": "rack1", "url": "<url 2>"}, fails=True),
        Step("podm_info", {}),
        Step("podm_info", {"name": ["rack1", "none"], "check": True, **unused}),
        Step("podm_info", {"name": "rack2", **rack1}),
        Step("podm_info", rack1),
        Step(
            "flavor", {"name": "gpu-small", "properties": valence, "description": "Two", "state": "present", **unused}
        ),
        Step("flavor", {"name": "gpu-small"}),
        Step("flavor", {"name": "exact", "properties": {"devices": [exact]}}),
        Step("flavor", {"name": "short", "properties": short}),
        Step("flavor", {"name": "none", "properties": {"memory": {}}}, fails=True),
        Step("flavor", {"name": "none"}, fails=True),
        Step("flavor_info", {}),
        Step("flavor_info", {"name": "gpu-small, exact", **unused}),
        Step("flavor", {"name": "short", "state": "absent"}),
        Step("node", {"name": "train-1", "flavor": "gpu-small", **rack1}),
        Step("node", {"name": "train-2", "properties": two_gpus, "purge": True, **by_url}),
        Step("node", {"name": "train-2", "properties": valence, "purge": "yes", "state": "present", **rack1}),
        Step("node", {"node_index": systems[2][2:].upper(), "state": "managed", **rack1}),
        Step("node", {"name": "storage-1", "node_index": int(systems[3], 16), "state": "managed", **rack1}),
        Step("node", {"name": "none", "flavor": "none", **rack1}, fails=True),
        Step("node", {"name": "none", "properties": {"devices": [{"type": "GPU", "count": 99}]}, **rack1}, fails=True),
        Step("node", {"name": "train-1", **rack1}, fails=False),
        Step(
            "device_attach", {"node": "train-1", "devices": [nics[1], int(nics[2], 16)], "state": "attached", **where}
        ),
        Step("device_attach", {"node": "storage-1", "resource_id": f"{ssds[3]}, {ssds[4][2:]}", **by_url}),
        Step("device_attach", {"node": "train-1", "devices": ssds[3], "move": False}, fails=True),
        Step("device_attach", {"node": "train-1", "devices": ssds[3], "move": True}),
        Step("device_attach", {"devices": ssds[3], "state": "detached", **rack1}),
        Step("device_attach", {"node": "storage-1", "devices": [ssds[4]], "state": "detached"}),
        Step(
            "device_attach",
            {"node": systems[4], "devices": [ssds[4], gpus[4]]},
            fails=True,
            before=lambda eem: eem.patch(gpus[4], group_id="4000"),
        ),
        Step("device_attach", {"node": systems[4], "devices": [ssds[4]]}),
        Step("sync", {"podms": ["rack1"], "forks": 2, "retention": 30, "textfile_dir": "<folder>", **unused}),
        Step("sync", {"podms": "rack2", **rack1}),
        Step("sync", {}),
        Step("sync", rack1),
        Step("sync", {"podm": None}),
        Step("podm_info", {"podm": None}),
        Step("node_info", {}),
        Step("node_info", {"name": ["train-1", "none"], **rack1, **where}),
        Step("node_info", {"name": "train-2", **by_url}),
        Step("system_info", rack1),
        Step("system_info", {"system": [systems[0], "train-2"], **by_url}),
        Step("system_info", {"system": systems[0], **rack1}),
        Step("device_info", {}),
        Step("device_info", {"type": "GPU", "state": "free", "source": "live", **rack1}),
        Step(
            "device_info",
            {"devices": [gpus[0], gpus[4]], "type": ["GPU", "SSD"], "state": ["allocated", "stranded"], **by_url},
        ),
        Step("device_info", {"node": "train-1", **rack1}),
        Step("device_info", {"source": "registry", "node": "train-1", **rack1, **where}),
        Step("device_info", {"source": "registry"}),
        Step("device_info", {}, environment={"EEM_URL": "<url 2>", **credentials}),
        Step("device_info", {"podm": "none"}, fails=True),
        Step("device", {"device": gpus[0], "uid_led": "on", "state": "present", "force": False, **by_url}),
        Step("device", {"device": "train-1", "uid_led": "off", **rack1}),
        Step("device", {"device": gpus[0], **rack1}),
        Step("device", {"device": nics[5], "state": "absent", **rack1}, fails=True),
        Step(
            "device",
            {"device": nics[5], "state": "absent", **rack1, **where},
            before=lambda eem: eem.silence(nics[5]) if nics[5] in eem.cards() else None,
        ),
        Step("device", {"device": nics[6], "state": "absent", "force": True, **rack1}),
        Step("device_action", {"device": gpus[0], "action": "audit", **by_url}, repeats=True),
        Step("device_action", {"device": gpus[0], "action": "reset", **rack1}, repeats=True),
        Step("device_action", {"device": systems[0], "action": "reset_frame", **rack1}, repeats=True),
        Step("device_action", {"device": systems[0], "action": "forget_port", "port": "0", **rack1}, fails=True),
        Step("device_action", {"device": systems[3], "action": "forget_port", "port": 0, **rack1, **where}),
        Step("node", {"name": "train-2", "state": "absent", **rack1}),
        Step("node", {"name": "storage-1", "state": "absent", "detach_devices": False, **rack1}),
        Step("podm", {"name": "rack1", "state": "absent"}, fails=True),
        Step("podm", {"name": "rack1", "state": "absent", "cascade": True}),
        Step("podm", {"name": "rack2", "state": "absent"}),
    ]


def examples(earlier: Version, eem: Simulator) -> list[Step]:
    """The examples of 0.1.0 about this fleet, with what one of them takes for granted."""
    systems, devices = sorted(card["id"] for card in eem.eesvs()), sorted(card["id"] for card in eem.eeios())
    names = {
        "http://eem.example.com:30500/eem": "<url 1>",
        "{{ eem_password }}": eem.password,
        "0x8cdf9d53f236": systems[3],
        "0x8cdf9d512930": devices[0],
        "0x8cdf9d512932": devices[1],
        "0x8cdf9d512936": devices[-1],
    }
    text = json.dumps({module: earlier.about(module)["EXAMPLES"] for module in EXAMPLES})
    for name, value in names.items():
        text = text.replace(name, value)
    assert "example.com" not in text
    tasks = json.loads(text)
    again = [{"nec.expether.expether_node": {"podm": "rack1", "name": "train-1", "flavor": "gpu-small"}}]
    order = [
        *tasks["podm"][:1],
        *(task for module in EXAMPLES[1:7] for task in tasks[module]),
        *again,
        *(task for module in EXAMPLES[7:] for task in tasks[module]),
        *tasks["podm"][1:],
    ]
    return [
        Step(
            key.removeprefix("nec.expether.expether_"),
            options or {},
            repeats=(options or {}).get("action") in ("audit", "reset", "reset_frame"),
            before=lambda eem: eem.silence(devices[-1]) if devices[-1] in eem.cards() else None,
        )
        for task in order
        for key, options in task.items()
        if key.startswith("nec.expether.")
    ]


def test_each_option_of_the_earlier_version_is_in_the_story_and_still_documented_as_are_its_results(
    earlier: Version, current: Version, then: Site
) -> None:
    given: dict[str, set[str]] = {}
    for step in story(then.eems[0]):
        given.setdefault(step.module, set()).update(step.options)
    names = sorted(path.stem for path in (earlier.tree / "plugins" / "modules").glob("*.py"))
    assert sorted(f"expether_{module}" for module in given) == names
    assert sorted(f"expether_{module}" for module in EXAMPLES) == names
    for module, options in given.items():
        before, after = (
            {
                name: option
                for key, option in version.about(module)["options"].items()
                for name in (key, *option.get("aliases", ()))
            }
            for version in (earlier, current)
        )
        assert options == {*before}, module
        for name, option in before.items():
            assert {**option, **after[name]}.get("required") in (None, option.get("required")), (module, name)
            assert option.get("default") == after[name].get("default"), (module, name)
            assert {*option.get("choices", ())} <= {*after[name].get("choices", option.get("choices", ()))}
        promised, promised_now = (returned(version.about(module)["RETURN"]) for version in (earlier, current))
        lost = [key for key, about in promised.items() if promised_now.get(key) != about]
        # The devices of nodes are documented once, with expether_device_info.
        assert not [key for key in lost if not re.match(r"\.nodes?\.devices\.", key)], module


def returned(keys: dict[str, Json], where: str = "") -> dict[str, tuple[Json, ...]]:
    """What is documented for each key of a result: its type, that of its entries, and whether it is always there."""
    found: dict[str, tuple[Json, ...]] = {}
    for key, about in keys.items():
        found[f"{where}.{key}"] = (about["type"], about.get("elements"), about["returned"] in ("always", "success"))
        found.update(returned(about.get("contains", {}), f"{where}.{key}"))
    return found


def test_tasks_for_the_earlier_version_do_and_return_the_same(
    earlier: Version, current: Version, then: Site, now: Site
) -> None:
    eem, mirror = then.eems[0], now.eems[0]
    found: list[str] = []
    for place, step in enumerate([*story(eem), *examples(earlier, eem)]):
        if place == len(story(eem)):
            for site in (then, now):
                site.eems[0].reset()
        for site in (then, now):
            if step.before:
                step.before(site.eems[0])
        given = (step.module, step.options)
        first, mine = then.run(earlier, *given, **step.environment), now.run(current, *given, **step.environment)
        about = f"{place} {step}"
        assert bool(first.get("failed")) == step.fails, f"{about}: {first}"
        found += [f"{step.module}: {each}" for each in differences(first, mine)]
        if not step.fails and not step.module.endswith("_info"):
            again = then.run(earlier, *given, **step.environment)
            assert bool(again["changed"]) == step.repeats, f"{about}: {again}"
            check = then.run(current, *given, check=True, **step.environment)
            found += [f"{step.module}: checked: {each}" for each in differences(again, check, planned=True)]
            mine = now.run(current, *given, **step.environment)
            found += [f"{step.module}: again: {each}" for each in differences(again, mine)]
        assert groups(eem) == groups(mirror), about
    unintended = [each for each in found if not any(re.match(pattern, each) for pattern in INTENDED)]
    assert not unintended, "\n".join(unintended)
    outdated = [pattern for pattern in INTENDED if not any(re.match(pattern, each) for each in found)]
    assert not outdated, "these differences do not exist any more"


def groups(eem: Simulator) -> dict[str, tuple[str, ...]]:
    """The group and the LED of each card."""
    return {key: (str(card["group_id"]), str(card.get("uid_led"))) for key, card in eem.cards().items()}
