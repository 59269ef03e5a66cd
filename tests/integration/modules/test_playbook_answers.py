# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks make of the answers that people and surveys give.

AWX writes each answer of a survey as ``!unsafe 'text'``. Since ansible-core 2.19 the YAML loader finds the type of
that text again: '' is null, '12' a number, 'on' true. ``-e name=value`` does not show this, so variables are given in
YAML files here. A table is run by one ansible-playbook: each of its rows is a host with the answers as its variables.
Rows that are marked smoke are run with each ansible-core, and must give the same with all of them.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from eemsim.client import Simulator
from module_runs import Ansible, Json, Task, call


class Answer(str):
    """Text as AWX writes it."""


class Dumper(yaml.SafeDumper):
    """Writes what AWX writes."""

    def ignore_aliases(self, data: object) -> bool:
        return True


Dumper.add_representer(Answer, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style="'"))

#: What a survey can ask for, and what need not be answered.
QUESTIONS = {
    "register": "eem_url eem_username eem_password validate_certs ca_path client_cert client_key eem_timeout description location",
    "compose": "podm flavor device_types node_index purge replace_silent skip_silent connect_timeout node_host host_side",
    "release": "podm detach_devices skip_silent node_host host_side",
    "attach": "podm move connect_timeout node_host host_side",
    "detach": "node_name podm skip_silent node_host host_side",
    "failover": "devices podm fenced connect_timeout node_host host_side",
    "layout": "podm skip_silent connect_timeout host_side",
    "layout_export": "podm layout_file",
    "report": "podm layout_file report_file",
    "fabric": "podm",
    "devices": "podm device_types device_states node_name",
    "sync": "podms forks retention textfile_dir wait_after_refusal",
    "registry_copy": "copy_from valence_dump copy_from_key_file registry registry_key_file merge",
    "registry_reencrypt": "registry registry_key_file",
}
#: What each playbook needs, so that the other variables matter.
NEEDED: dict[str, dict[str, Json]] = {
    "register": {"podm": "rack1"},
    "compose": {"node_name": "n2", "device_types": "SSD"},
    "release": {"node_name": "n1"},
    "attach": {"node_name": "n1", "devices": "{ssd}"},
    "detach": {"devices": "{ssd}"},
    "failover": {"node_from": "n1", "node_to": "{system}", "device_types": "GPU", "fenced": True},
    "layout": {"layout_file": "{layout}"},
    "layout_export": {},
    "report": {},
    "fabric": {},
    "devices": {},
    "sync": {},
    "registry_copy": {"copy_from": "{registry}", "registry": "{copy}"},
    "registry_reencrypt": {},
}
LAYOUT: dict[str, Json] = {
    "nodes": [{"name": "n1", "properties": {"devices": [{"type": "GPU", "count": 1}]}}],
    "purge": True,
    "move": False,
}
GPU, SSD = range(2)  # of the simulator's devices


@dataclasses.dataclass(frozen=True)
class Row:
    """A playbook, the answers that it gets, and what must come of it.

    :ivar refused: a pattern of the sentence with which they are refused before a module is called
    :ivar options: what the module is given, where they are not; the device ids of a list as numbers
    """

    playbook: str
    answers: t.Mapping[str, Json]
    refused: str = ""
    options: t.Mapping[str, Json] = dataclasses.field(default_factory=dict)
    smoke: bool = False


def refused(playbook: str, pattern: str, smoke: bool = False, **answers: Json) -> Row:
    return Row(playbook, answers, pattern, smoke=smoke)


def given(playbook: str, options: t.Mapping[str, Json], smoke: bool = False, **answers: Json) -> Row:
    return Row(playbook, answers, options=options, smoke=smoke)


def unclear(playbook: str, smoke: bool, **answers: Json) -> Row:
    """Each of these texts is refused, and each one in a list of several."""
    places = [
        f"{name}\\[{place}\\]" if isinstance(value, list) else name
        for name, value in answers.items()
        if NEEDED[playbook].get(name) != value
        for place in range(len(value) if isinstance(value, list) else 1)
    ]
    return Row(playbook, answers, "(?s)" + "".join(f"(?=.*{place} {UNCLEAR})" for place in places), smoke=smoke)


def skipped(playbook: str, options: t.Mapping[str, Json], **answers: Json) -> list[Row]:
    """Each question that is not answered here is skipped: as AWX skips it, or in turn as null and as plain text."""
    names = QUESTIONS[playbook].split()
    mixed = {name: (None, "")[place % 2] for place, name in enumerate(names)}
    return [
        Row(playbook, {**dict.fromkeys(names, Answer("")), **answers}, options=options, smoke=True),
        Row(playbook, {**mixed, **answers}, options=options),
    ]


BOOLEAN, DATE, FRACTION = (
    "is a boolean, but must be text",
    "is a date, but must be text",
    "is a number, but must be text",
)
#: How a text is refused that is one of them since ansible-core 2.19.
UNCLEAR = r"is a (boolean|date|number|number, a boolean, a date or null in YAML|list or a dictionary in YAML), but must be text"
#: A text that YAML takes for something else, as AWX, a file or a command gives it.
UNCLEAR_TEXTS = ("007", "7", "on", "2026-01-01", "1.5", "1_000", "1:30")
WRONG_TEXTS: tuple[tuple[Json, str], ...] = (
    (False, BOOLEAN),
    (True, BOOLEAN),
    ([], "is a list, but must be text"),
    (["n1"], "is a list, but must be text"),
    ({}, "is a dictionary, but must be text"),
    ({"name": "n1"}, "is a dictionary, but must be text"),
    (0.0, FRACTION),
    (1.5, FRACTION),
    (datetime.date(2026, 1, 1), DATE),
    ("  ", "contains only spaces"),
)
WRONG_LISTS: tuple[tuple[Json, str], ...] = (
    (False, "is a boolean, but must be text or a list of texts"),
    ([], "is an empty list"),
    ({}, "is a dictionary, but must be"),
    (1.5, "is a number, but must be"),
    (" , ;\n", "contains only separators"),
    ([None], r"\[0\] is null, but must be"),
    (["rack1", False], r"\[1\] is a boolean, but must be"),
    (["rack1", ""], r"\[1\] is empty, but must be"),
    ([["rack1"]], r"\[0\] is a list, but must be"),
)


def wrong(playbook: str, kinds: t.Iterable[tuple[Json, str]], *names: str) -> list[Row]:
    return [
        refused(playbook, f"{name} ?{pattern}", **{**NEEDED[playbook], name: value})
        for name in names
        for value, pattern in kinds
    ]


ROWS: list[Row] = [
    # A question that was skipped is not given.
    *skipped(
        "compose",
        {
            "name": "n2",
            "flavor": None,
            "node_index": None,
            "purge": False,
            "skip_silent": False,
            "connect_timeout": 10.0,
        },
        node_name=Answer("n2"),
        device_types=Answer("SSD"),
    ),
    *skipped(
        "release", {"name": "n1", "detach_devices": True, "podm": None, "skip_silent": False}, node_name=Answer("n1")
    ),
    *skipped(
        "attach",
        {"node": "n1", "devices": [GPU], "move": False, "connect_timeout": 10.0},
        node_name=Answer("n1"),
        devices=Answer("{gpu}"),
    ),
    *skipped("detach", {"node": None, "podm": None, "devices": [GPU], "skip_silent": False}, devices=Answer("{gpu}")),
    *skipped(
        "failover",
        {"move": True, "connect_timeout": 10.0},
        node_from=Answer("n1"),
        node_to=Answer("{system}"),
        device_types=Answer("GPU"),
        fenced=Answer("true"),
    ),
    given("failover", {"devices": [GPU]}, True, node_from="n1", node_to="{system}", devices=0xDEADBEEF, fenced=True),
    *(
        refused("failover", f"Set {name} to", **{**NEEDED["failover"], name: empty})
        for name in ("node_from", "node_to")
        for empty in (Answer(""), None)
    ),
    *wrong("failover", WRONG_TEXTS[:-1], "node_from"),
    *wrong("failover", WRONG_TEXTS[:1], "node_to", "podm", "node_host"),
    *wrong("failover", WRONG_LISTS[:2], "devices", "device_types"),
    *(
        refused(
            playbook, "node_host is nobody, which is not a host", True, **NEEDED[playbook], node_host=Answer("nobody")
        )
        for playbook in ("compose", "release", "attach", "detach", "failover")
    ),
    *(
        refused(
            playbook, f"{name} is .+, but must be true or false", name == "fenced", **{**NEEDED[playbook], name: value}
        )
        for playbook, name in (("failover", "fenced"), ("failover", "host_side"), ("detach", "host_side"))
        for value in ({}, 0.5, ["yes"], Answer("perhaps"), "2")
    ),
    given("detach", {"devices": [GPU]}, True, devices=Answer("{gpu}"), host_side=Answer("off")),
    *skipped(
        "layout",
        {"purge": True, "move": False, "release_others": False, "skip_silent": False, "connect_timeout": 10.0},
        layout_file=Answer("{layout}"),
    ),
    given("layout", {"skip_silent": True}, layout_file="{layout}", skip_silent=Answer("on")),
    *skipped("layout_export", {"podm": None}),
    *(refused("layout", "Set layout_file to the path of the file", layout_file=empty) for empty in (Answer(""), None)),
    refused("layout", "layout_file: .+/nowhere.yml does not exist on the controller", True, layout_file="nowhere.yml"),
    *(
        refused(
            "layout",
            "layout_file: .+ is not a layout. It must be a dictionary with the list nodes",
            layout_file=f"{{{file}}}",
        )
        for file in ("list", "misspelt", "empty", "node")
    ),
    refused("layout", "layout_file: .+ cannot be read as YAML", layout_file="{broken}"),
    *wrong("layout", WRONG_TEXTS[:1], "layout_file", "podm"),
    *wrong("layout_export", WRONG_TEXTS[:1], "layout_file", "podm"),
    *skipped("devices", {"podm": None, "type": None, "state": None, "node": None}),
    *skipped("report", {"podm": None, "include_devices": True}),
    *skipped("fabric", {"podm": None, "include_devices": True}),
    *wrong("report", WRONG_TEXTS[:1], "podm", "layout_file", "report_file"),
    *wrong("fabric", WRONG_TEXTS[:1], "podm"),
    *skipped("sync", {"podms": None, "forks": 8, "retention": 7.0, "textfile_dir": None, "wait_after_refusal": 0}),
    *skipped(
        "register",
        {
            "name": "rack1",
            **dict.fromkeys(
                ("validate_certs", "ca_path", "client_cert", "client_key", "timeout", "description", "location")
            ),
        },
        podm=Answer("rack1"),
    ),
    *skipped(
        "registry_copy",
        {
            "copy_from": "{registry}",
            "registry": "{copy}",
            "merge": False,
            **dict.fromkeys(("valence_dump", "copy_from_key_file", "registry_key_file")),
        },
        copy_from=Answer("{registry}"),
        registry=Answer("{copy}"),
    ),
    *skipped("registry_reencrypt", {"registry": None, "registry_key_file": None, "reencrypt": True}),
    given(
        "registry_copy", {"valence_dump": "/mnt/dump", "copy_from": None}, registry="{copy}", valence_dump="/mnt/dump"
    ),
    # What is needed, and was skipped.
    *(
        refused("attach", "Set devices to the EEM ids or UUIDs of the devices", node_name="n1", devices=empty)
        for empty in (Answer(""), None, " ")
    ),
    *(
        refused("attach", "Set node_name to the node", node_name=empty, devices="{gpu}")
        for empty in (Answer(""), None, " ")
    ),
    refused("attach", "Set node_name to .+ Set devices to "),
    refused("detach", "Set devices to the EEM ids or UUIDs of the devices", devices=Answer("")),
    refused("release", "Set node_name to the node", node_name=Answer("")),
    refused("compose", "Set node_name to the name", node_name=Answer(""), device_types="SSD"),
    refused("register", "Set podm to the name", podm=Answer("")),
    *(
        refused("compose", "either flavor=NAME or device_types", node_name="n2", flavor=empty)
        for empty in (Answer(""), None)
    ),
    refused("compose", "either flavor=NAME or device_types", node_name="n2", flavor="f", device_types="SSD"),
    # One device, several, and none, in all the ways to write them.
    given("attach", {"devices": [GPU]}, node_name="n1", devices=0xDEADBEEF),
    given("attach", {"devices": [GPU, SSD]}, True, node_name="n1", devices=[0xDEADBEEF, Answer("{ssd}")]),
    given("attach", {"devices": [GPU, SSD]}, node_name=Answer("n1"), devices=Answer("{gpu}, {ssd}")),
    given("attach", {"devices": [GPU, SSD]}, node_name=Answer("n1"), devices=Answer("{gpu}\r\n{ssd};")),
    given("attach", {"devices": [GPU, SSD]}, node_name=Answer("n1"), devices=[Answer("{gpu}"), Answer("{ssd}")]),
    given("detach", {"devices": [GPU]}, True, devices=0xDEADBEEF),
    given("detach", {"devices": [GPU, SSD]}, devices=[0xDEADBEEF, "{ssd}"]),
    given("detach", {"devices": [GPU, SSD], "node": "n1"}, True, devices=Answer("{gpu} {ssd}"), node_name=Answer("n1")),
    *wrong("attach", WRONG_LISTS, "devices"),
    *wrong("sync", WRONG_LISTS, "podms"),
    # A guard that is false, 0 or [] must not drop out.
    *wrong("detach", WRONG_TEXTS, "node_name"),
    # All other variables are checked as well.
    *wrong("attach", WRONG_TEXTS[:1], "node_name", "podm"),
    *wrong("detach", WRONG_TEXTS[:1], "podm"),
    *wrong("release", WRONG_TEXTS[:1], "node_name", "podm"),
    *wrong("compose", WRONG_TEXTS[:1], "node_name", "podm", "flavor", "node_index"),
    *wrong("devices", WRONG_TEXTS[:1], "podm", "node_name"),
    *wrong("register", WRONG_TEXTS[:1], "podm", "eem_url", "eem_username", "ca_path", "description", "location"),
    *wrong("sync", WRONG_TEXTS[:1], "textfile_dir"),
    *wrong("registry_copy", WRONG_TEXTS[:1], "copy_from", "copy_from_key_file", "registry", "registry_key_file"),
    *wrong("registry_copy", WRONG_TEXTS[:1], "valence_dump"),
    *wrong("registry_reencrypt", WRONG_TEXTS[:1], "registry", "registry_key_file"),
    *wrong("detach", WRONG_LISTS[:1], "devices"),
    *wrong("compose", WRONG_LISTS[:2], "device_types"),
    *wrong("devices", WRONG_LISTS[:2], "device_types", "device_states"),
    refused("detach", "node_name is a boolean", True, devices="{gpu}", node_name=False),
    refused("detach", "node_name is a list", True, devices="{gpu}", node_name=[]),
    refused("sync", "podms is a boolean", True, podms=False),
    # Choices and numbers.
    *(
        given("attach", {"move": True}, node_name="n1", devices="{gpu}", move=yes)
        for yes in (Answer("yes"), Answer("true"), True)
    ),
    given("registry_copy", {"merge": True}, True, **NEEDED["registry_copy"], merge=Answer("yes")),
    given("release", {"detach_devices": False}, True, node_name="n1", detach_devices=Answer("false")),
    given("compose", {"purge": True}, node_name="n2", device_types="SSD", purge=Answer("on")),
    given("register", {"username": "operator"}, podm="rack1", eem_username=Answer("operator")),
    given("register", {"validate_certs": False}, podm="rack1", validate_certs=Answer("no")),
    *(
        refused(playbook, f"{name} is a .+, but must be true or false", **{**NEEDED[playbook], name: value})
        for playbook, name in (
            ("attach", "move"),
            ("compose", "purge"),
            ("release", "detach_devices"),
            ("register", "validate_certs"),
            ("registry_copy", "merge"),
        )
        for value in ({}, 0.5, ["yes"])
    ),
    given("sync", {"retention": 0.0}, retention=0),
    *(
        refused("sync", f"{name} is a .+, but must be a number", **{name: value})
        for name in ("forks", "retention")
        for value in (False, [])
    ),
    # Names of pod managers may have spaces in them, types and states may not.
    given("sync", {"podms": ["Rack 2 left"]}, podms=Answer("Rack 2 left")),
    given(
        "sync",
        {"podms": ["rack1", "Rack 2 left"], "forks": 2, "retention": 0.5},
        True,
        podms=Answer("rack1 , Rack 2 left\r\n"),
        forks=Answer("2"),
        retention=Answer("0.5"),
    ),
    given("sync", {"podms": ["rack1", "Rack 2 left"]}, podms=[Answer("rack1"), Answer("Rack 2 left")]),
    given("devices", {"podm": "Rack 2 left"}, podm=Answer("Rack 2 left")),
    given(
        "devices",
        {"type": ["GPU", "SSD"], "state": ["free"], "node": ("{system}", "{system_number}")},
        True,
        device_types=Answer("GPU SSD"),
        device_states=[Answer("free")],
        node_name=Answer("{system}"),
    ),
    # What YAML takes for something else: also before 2.19, and also where it arrives as the text that it is.
    *(
        unclear(
            playbook,
            kind is Answer and (playbook == "compose" or text == texts[0]),
            **{name: kind(text) for name in names.split()},
        )
        for playbook, names, texts in (
            ("compose", "node_name podm flavor node_index device_types", UNCLEAR_TEXTS),
            ("register", "podm eem_url eem_username eem_password description location ca_path", UNCLEAR_TEXTS[:3]),
            ("attach", "node_name devices podm", UNCLEAR_TEXTS[1:4]),
            ("detach", "node_name devices podm", UNCLEAR_TEXTS[:1]),
            ("release", "node_name podm", UNCLEAR_TEXTS[:1]),
            ("devices", "node_name podm device_types", UNCLEAR_TEXTS[:1]),
            ("sync", "podms textfile_dir", UNCLEAR_TEXTS[:3]),
        )
        for text in texts
        for kind in (Answer, str)
    ),
    unclear("sync", True, podms=[Answer(text) for text in UNCLEAR_TEXTS]),
    # Before 2.19, a template makes a list or dictionary of them.
    unclear("register", True, podm=Answer("{}"), description=Answer("['a']"), eem_username=Answer('{"a": 1}\n')),
    unclear("detach", True, node_name=Answer("[1, 2]"), devices=Answer("['{gpu}', '{ssd}']")),
    given(
        "register", {"description": "[A] {B} and ['C']."}, True, podm="rack1", description=Answer("[A] {B} and ['C'].")
    ),
    unclear("attach", True, node_name="n1", devices=[Answer(text) for text in UNCLEAR_TEXTS]),
    *(refused("compose", f"node_name {UNCLEAR}", node_name=number, device_types="SSD") for number in (7, 0)),
    # A number is only accepted if it must have been an EEM id in hexadecimal digits: how it was written is unknown.
    unclear(
        "attach",
        True,
        node_name="n1",
        devices=[
            Answer(text)
            for text in ("0x003013512930", "0x8cdf9d51293", "800000000018", "80:00:00:00:00:18", "0x8cdf9d5129300")
        ],
    ),
    *(
        given(
            "compose",
            {"node_index": tuple(known)},
            True,
            node_name="n2",
            device_types="SSD",
            node_index=Answer(known[0]),
        )
        for known in (["{system}", "{system_number}"], ["{system_number}"], ["{bare_system}"])
    ),
    given("detach", {"devices": [GPU, SSD]}, True, devices=[Answer("{gpu}"), Answer("{ssd}")]),
    given("attach", {"devices": [GPU]}, node_name=Answer("n1"), devices=[Answer("{gpu}")]),
    given("attach", {"devices": [GPU]}, True, node_name=Answer("n1"), devices=Answer("{gpu}\n")),
    *(
        refused(
            "register",
            "eem_password is .+, but must be text, .+ environment variable EEM_PASSWORD",
            smoke=value == Answer("0123"),
            podm="rack1",
            eem_password=value,
        )
        for value in (123456, 0, False, [], Answer("0123"), "123456", Answer("123456"), Answer("['x']"))
    ),
    given("register", {}, True, podm="rack1", eem_password=Answer("{password}")),
    # Text is not evaluated as a template.
    given("sync", {"podms": ["{{ 6 * 7 }}", "rack1"]}, True, podms=Answer("{{ 6 * 7 }},rack1")),
    given("release", {"name": "{{ 6 * 7 }}"}, node_name=Answer("{{ 6 * 7 }}")),
]


def filled(value: Json, places: t.Mapping[str, str]) -> Json:
    """Put the ids of the simulator's cards and its password into an answer."""
    if isinstance(value, (list, tuple)):
        return type(value)(filled(item, places) for item in value)
    if isinstance(value, str):
        return type(value)(re.sub(r"\{(\w+)\}", lambda place: places.get(place[1], place[0]), value))
    return int(places["gpu"], 16) if value == 0xDEADBEEF else value


def written(path: Path, data: Json) -> Path:
    path.write_text(yaml.dump(data, Dumper=Dumper, allow_unicode=True), encoding="utf-8")
    return path


def play(ansible: Ansible, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[Json]]:
    """Run ansible-playbook; return with it what each task gave."""
    records, orders = ansible.folder / "records.jsonl", ansible.folder / "orders.json"
    records.unlink(missing_ok=True)
    orders.write_text(
        json.dumps({"before": {}, "controls": [], "folder": str(ansible.files), "records": str(records)}),
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", *arguments],
        cwd=ansible.folder,
        env={**ansible.environment, "TASK_RECORDS": str(orders), "ANSIBLE_LOCALHOST_WARNING": "false"},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    lines = records.read_text(encoding="utf-8").splitlines() if records.exists() else []
    return done, [json.loads(line) for line in lines]


def judged(row: Row, records: list[Json], places: t.Mapping[str, str]) -> str:
    """Return what is wrong with what came of a row, or nothing."""
    refusal = "".join(
        record["result"]["msg"] for record in records if record["failed"] and record["task"].startswith("Check")
    )
    options = [record["result"]["invocation"]["module_args"] for record in records if "invocation" in record["result"]]
    called = [each for each in options if "registry" in each]
    if row.refused:
        if not re.search(row.refused, refusal):
            return f"not refused with {row.refused!r}, but {refusal!r}"
        return "refused, but the module was called" if refusal and called else ""
    if refusal or not called:
        return f"refused: {refusal}; {records}"
    for name, wanted in row.options.items():
        # A playbook that may have to prepare hosts plans before, and failover looks at both systems.
        found = called[-1][name]
        if name == "devices":
            ids = (places["gpu"], places["ssd"])
            found, wanted = [int(text, 0) for text in found], [int(ids[each], 16) for each in wanted]
        wanted = filled(wanted, places)
        if found not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            return f"{name} is {found!r}, not {wanted!r}"
    return ""


@pytest.mark.parametrize("smoke", [pytest.param(True, marks=pytest.mark.smoke), False], ids=["selection", "others"])
def test_an_answer_is_understood_or_refused_before_a_module_is_called(
    ansible: Ansible, known: Task, eem: Simulator, eeios: list[str], smoke: bool
) -> None:
    ansible.play(known, call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["GPU"]}}))
    rows = {f"row{number}": row for number, row in enumerate(ROWS) if row.smoke == smoke}
    (ansible.folder / "broken.yml").write_text("nodes: [{name: n1", encoding="utf-8")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    system = max(identity for identity, card in eem.cards().items() if card["status"] == "eesv")
    places = {
        "gpu": eeios[GPU],
        "ssd": eeios[SSD],
        "password": eem.password,
        "system": system,
        "bare_system": system[2:],
        "system_number": str(int(system, 16)),
        "registry": ansible.registry,
        "copy": f"sqlite:///{ansible.files}/copy.sqlite3",
        "layout": str(written(ansible.folder / "layout.yml", LAYOUT)),
        "list": str(written(ansible.folder / "list.yml", LAYOUT["nodes"])),
        "misspelt": str(written(ansible.folder / "misspelt.yml", {**LAYOUT, "purges": True})),
        "broken": str(ansible.folder / "broken.yml"),
        "empty": str(written(ansible.folder / "empty.yml", {})),
        "node": str(written(ansible.folder / "node.yml", {"nodes": LAYOUT["nodes"][0]})),
    }
    children = {
        playbook: {
            "hosts": {
                name: {key: filled(value, places) for key, value in row.answers.items()}
                for name, row in rows.items()
                if row.playbook == playbook
            }
        }
        for playbook in NEEDED
    }
    inventory = written(ansible.folder / "hosts.yml", {"all": {"vars": local, "children": children}})
    plays = [{"import_playbook": f"nec.expether.{name}", "vars": {"expether_hosts": name}} for name in children]
    wrapper = written(ansible.folder / "wrapper.yml", plays)
    ansible.environment.update(EEM_URL=eem.url, EEM_USERNAME=eem.username, EEM_PASSWORD=eem.password)
    eem.reset_log()
    done, records = play(ansible, f"--inventory={inventory}", "--check", str(wrapper))
    wrong_rows = {
        f"{row.playbook} {dict(row.answers)}": problem
        for name, row in rows.items()
        if (problem := judged(row, [record for record in records if record["host"] == name], places))
    }
    assert wrong_rows == {}, done.stdout[-3000:] + done.stderr
    assert [each for each in eem.log() if each["method"] != "GET"] == []
    assert not re.search(r"Traceback|DEPRECATION|FutureWarning", done.stdout + done.stderr)


def answers_of(survey: t.Mapping[str, Json]) -> dict[Answer, Json]:
    """Return variables as AWX writes them to the file of extra variables: keys and texts as ``!unsafe``."""

    def unsafe(value: Json) -> Json:
        if isinstance(value, dict):
            return {Answer(key): unsafe(each) for key, each in value.items()}
        if isinstance(value, list):
            return [unsafe(each) for each in value]
        return Answer(value) if isinstance(value, str) else value

    return {Answer(key): unsafe(value) for key, value in survey.items()}


def changes(records: list[Json]) -> list[bool]:
    """Return for each call of a module whether it changed something."""
    return [
        record["result"]["changed"]
        for record in records
        if "registry" in record["result"].get("invocation", {}).get("module_args", {})
    ]


def passed_on(records: list[Json]) -> list[Json]:
    """Return what each job passes on: the artifacts of a job in AWX."""
    return [record["result"]["ansible_stats"]["data"] for record in records if "ansible_stats" in record["result"]]


@pytest.mark.smoke
def test_a_job_does_what_was_asked_and_passes_it_on_to_later_jobs_of_a_workflow(
    ansible: Ansible, known: Task, eem: Simulator, eeios: list[str]
) -> None:
    names = [name for questions in QUESTIONS.values() for name in questions.split()]
    ansible.play(known)
    asked = {"podm": "rack1", "node_name": "n1", "device_types": "SSD", "devices": eeios[GPU]}
    survey = answers_of({**dict.fromkeys([*names, "expether_hosts"], ""), **asked})
    playbooks = ("compose", "attach", "detach")
    wrapper = written(
        ansible.folder / "wrapper.yml", [{"import_playbook": f"nec.expether.{name}"} for name in playbooks]
    )
    answers = written(ansible.folder / "answers.yml", survey)
    ansible.environment.update(EEM_URL=eem.url, EEM_USERNAME=eem.username, EEM_PASSWORD=eem.password)
    done, records = play(ansible, "--inventory=/dev/null", f"--extra-vars=@{answers}", str(wrapper))
    assert done.returncode == 0, done.stdout + done.stderr
    assert changes(records) == [True, True, True]
    passed = [
        {"expether_job": {"node": "n1", "devices": [device], "podm": "rack1"}}
        for device in (eeios[SSD], eeios[GPU], eeios[GPU])
    ]
    assert passed_on(records) == passed
    # A job template of a later job sets its variables from them. They may contain templates, unlike the others.
    template = {"node_name": "{{ expether_job.node }}", "devices": "{{ expether_job.devices }}"}
    written(answers, {**answers_of(passed[-1]), **template})
    wrapper = written(
        ansible.folder / "wrapper.yml", [{"import_playbook": f"nec.expether.{name}"} for name in ("attach", "release")]
    )
    done, records = play(ansible, "--inventory=/dev/null", f"--extra-vars=@{answers}", str(wrapper))
    assert done.returncode == 0, done.stdout + done.stderr
    assert changes(records) == [True, True]
    attached, released = (each["expether_job"] for each in passed_on(records))
    assert attached == passed[-1]["expether_job"]
    assert {**released, "devices": {*released["devices"]}} == {**attached, "devices": {eeios[SSD], eeios[GPU]}}


NOBODY = r"No host matches expether_hosts \({}, so nothing would be done"


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        pytest.param(("--limit=web1",), r"localhost\) and the limit \(web1\)", marks=pytest.mark.smoke),
        pytest.param(
            ("--limit=web1", "-i", "localhost,"), r"localhost\) and the limit \(web1\)", marks=pytest.mark.smoke
        ),
        (("-e", "expether_hosts=web2", "--limit=all:!web2"), r"web2\) and the limit \(all:!web2\)"),
        (("-e", "expether_hosts=rack"), r"rack\)"),
        pytest.param(("--limit=web1,localhost",), "", marks=pytest.mark.smoke),
        (("-e", "expether_hosts=all", "--limit=web*"), ""),
        pytest.param(
            ("-e", '{"expether_hosts": ["web2"]}', "--limit=@lines"),
            r"web2\) and the limit \(@lines\)",
            marks=pytest.mark.smoke,
        ),
        (("-e", '{"expether_hosts": ["web1", "web2"]}', "--limit=web3,@lines"), ""),
    ],
)
def test_a_play_that_matches_no_host_fails_instead_of_doing_nothing(
    ansible: Ansible, arguments: tuple[str, ...], refusal: str
) -> None:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = written(ansible.folder / "hosts.yml", {"all": {"vars": local, "hosts": {"web1": {}, "web2": {}}}})
    (ansible.folder / "lines").write_text("web1\n", encoding="ascii")
    done, records = play(ansible, f"--inventory={inventory}", *arguments, "nec.expether.devices")
    output = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0, bool(records)) == (not refusal, not refusal), output
    assert not refusal or re.search(NOBODY.format(refusal), output), output


def test_what_a_play_says_has_no_gap_without_a_pod_manager(ansible: Ansible, eem: Simulator) -> None:
    playbooks = [{"import_playbook": f"nec.expether.{name}"} for name in ("compose", "release")]
    wrapper = written(ansible.folder / "wrapper.yml", playbooks)
    ansible.environment.update(EEM_URL=eem.url, EEM_USERNAME=eem.username, EEM_PASSWORD=eem.password)
    arguments = ("--inventory=/dev/null", "-e", "node_name=n1", "-e", "device_types=SSD")
    done, records = play(ansible, *arguments, str(wrapper))
    assert done.returncode == 0, done.stdout + done.stderr
    composed, released = (
        record["result"]["msg"][0] for record in records if isinstance(record["result"].get("msg"), list)
    )
    assert re.fullmatch(r"Node n1 on system 0x\w{12}, group id \d+: changed", composed)
    assert re.fullmatch(r"Node n1 on system 0x\w{12}: released", released)


def test_a_host_that_the_inventory_chooses_in_vain_is_said(ansible: Ansible, known: Task) -> None:
    ansible.play(known)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = written(
        ansible.folder / "hosts.yml",
        {"all": {"vars": {**local, "expether_hosts": "registry-host"}, "hosts": {"registry-host": {"podms": "rack1"}}}},
    )
    done, records = play(ansible, f"--inventory={inventory}", "nec.expether.sync")
    assert done.returncode != 0 and len(records) == 1
    assert re.fullmatch(
        r"expether_hosts in the inventory has no effect, .+ -e expether_hosts=registry-host\.",
        records[0]["result"]["msg"],
    )
    done, records = play(ansible, f"--inventory={inventory}", "-e", "expether_hosts=registry-host", "nec.expether.sync")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [podm["name"] for podm in records[1]["result"]["podms"]] == ["rack1"], "as the host's variable says"
    for nothing in ("false", "[]"):
        done, records = play(
            ansible, f"--inventory={inventory}", "-e", f'{{"expether_hosts": {nothing}}}', "nec.expether.sync"
        )
        assert done.returncode != 0 and len(records) == 1
        assert records[0]["result"]["msg"].startswith("expether_hosts is a")


def test_the_demo_refuses_what_it_cannot_mean(ansible: Ansible) -> None:
    done, records = play(
        ansible,
        "--inventory=/dev/null",
        "-e",
        '{"demo_url_1": "", "demo_url_2": false, "demo_registry": 0.5}',
        "nec.expether.demo",
    )
    assert done.returncode != 0 and len(records) == 1
    message = records[0]["result"]["msg"]
    assert [
        name
        for name in ("Set demo_url_1 to", "demo_url_2 is a boolean", "demo_registry is a number")
        if name not in message
    ] == []
