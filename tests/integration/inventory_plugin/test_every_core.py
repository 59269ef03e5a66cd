# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between versions of ansible-core: what is a template, and how the cache keeps things."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from conftest import Rack

pytestmark = pytest.mark.smoke


def leaves(value: t.Any) -> t.Iterator[t.Any]:
    if isinstance(value, dict) and "__ansible_unsafe" not in value:
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_text_of_a_card_is_never_a_template_and_other_text_is_plain(rack: Rack) -> None:
    evaluated = rack.folder / "evaluated"
    template = f"{{{{ lookup('pipe', 'touch {evaluated}') }}}}"
    eem = rack.eems[0]
    for card in (eem.eesvs()[0]["id"], eem.eeios()[0]["id"]):
        eem.patch(card, model=template)
    expression = f"(lookup)('pipe', 'touch {evaluated}') or 'x'"
    eem.patch(eem.eesvs()[0]["id"], serial_number=expression)
    rack.configure(
        compose={
            "ansible_host": "expether_name ~ '.example.com'",
            "serial": "expether_serial_number",
            "board": "expether_model",
            "boards": "{'here': expether_devices | map(attribute='model') | list, 'name': expether_name}",
        },
        groups={"odd": "'lookup' in expether_model"},
        keyed_groups=[{"key": "expether_model", "prefix": "model"}, {"key": "boards.here", "prefix": "device"}],
    )
    done = rack.list("--export")
    assert done.status == 0, done.stderr
    for value in leaves(done.hosts):
        if isinstance(value, dict):
            assert [*value] == ["__ansible_unsafe"] and value["__ansible_unsafe"] in (template, expression)
        else:
            assert value is None or isinstance(value, (str, int, bool))
    unsafe = {"__ansible_unsafe": template}
    web1, db1 = done.hosts["web1"], done.hosts["db1"]
    assert web1["expether_model"] == web1["board"] == web1["expether_devices"][0]["model"] == unsafe
    assert web1["boards"] == {"here": [unsafe], "name": "web1"}
    assert [web1["ansible_host"], db1["ansible_host"]] == ["web1.example.com", "db1.example.com"]
    assert db1["board"] == "ExpEther Board (40G)"
    assert done.groups["odd"] == ["web1"]
    assert len(done.groups) >= 5
    assert [name for name in done.groups if not re.fullmatch(r"\w+", name)] == []

    play = {
        "hosts": "all",
        "gather_facts": False,
        "connection": "local",
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "tasks": [
            {
                "ansible.builtin.copy": {
                    "content": "{{ [expether_model, board, boards.here[0], group_names | join] | to_json }}",
                    "dest": f"{rack.folder}/{{{{ inventory_hostname }}}}.json",
                    "mode": "0600",
                },
            },
            {"ansible.builtin.debug": {"var": "hostvars[inventory_hostname]"}},
            # The text of a condition is an expression.
            *(
                {"ansible.builtin.assert": {"that": [that]}, "ignore_errors": True}
                for that in ("{{ expether_serial_number }}", "{{ expether_serial_number }} == 'x'", "{{ serial }}")
            ),
            {"ansible.builtin.debug": {"msg": ""}, "when": "{{ serial }}", "ignore_errors": True},
        ],
    }
    playbook = rack.folder / "play.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    played = rack.run("playbook", str(playbook))
    assert played.status == 0, played.stdout + played.stderr
    seen = json.loads((rack.folder / "web1.json").read_text(encoding="utf-8"))
    assert seen[:3] == [template] * 3
    assert "odd" in seen[3]
    assert not evaluated.exists()


def test_the_cache_answers_until_a_play_refreshes_the_inventory(rack: Rack) -> None:
    rack.cached(include_systems=True, compose={"ansible_host": "expether_name"})
    first = rack.list()
    assert first.status == 0, first.stderr
    assert rack.requests() == [1, 1]
    tasks = [
        {"ansible.builtin.debug": {"msg": "{{ groups.all | sort | join(' ') }}"}},
        {"ansible.builtin.meta": "refresh_inventory"},
    ]
    play = {"hosts": "web1", "gather_facts": False, "tasks": tasks}
    playbook = rack.folder / "play.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")

    # The second EEM has failed since then, and its hosts stay; the first one has lost a system.
    dead, alive = rack.eems[1], rack.eems[0]
    dead.fault("drop", method="GET", times=2)
    lost = alive.eesvs()[2]["id"]
    alive.delete_card(lost)
    cached = rack.list()
    assert cached.hosts == first.hosts and lost in cached.hosts
    assert rack.requests() == [0, 0]
    played = rack.run("playbook", str(playbook))
    assert played.status == 0, played.stdout + played.stderr
    assert " ".join(sorted(first.hosts)) in played.stdout
    assert rack.requests() == [1, 1]
    assert "Pod manager rack2 could not be asked: " in played.words
    assert "Pod manager rack2 has the hosts that it had at 20" in played.words
    after = rack.list()
    assert {*first.hosts} - {*after.hosts} == {lost}
    assert rack.requests() == [0, 0]
