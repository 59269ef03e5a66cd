# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook nec.expether.sync, and the callback that prints only its messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, call

ONLINE = r"rack1 Online: 0 added, {} updated, 0 missing, 0 removed, {} unchanged in \d+\.\d\d s"


def play(ansible: Ansible, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as the service does: on this very host, with the callback for journals."""
    environment = {
        **ansible.environment,
        "ANSIBLE_STDOUT_CALLBACK": "nec.expether.plain_lines",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    for name in ("ANSIBLE_CALLBACKS_ENABLED", "ANSIBLE_CALLBACK_PLUGINS"):
        del environment[name]
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--inventory=/dev/null", *arguments, playbook],
        cwd=ansible.folder,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )


def sync(ansible: Ansible, *arguments: str, **variables: t.Any) -> tuple[int, list[str]]:
    """Run the playbook; return its exit status and its lines."""
    done = play(ansible, "nec.expether.sync", f"--extra-vars={json.dumps(variables)}", *arguments)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def matches(lines: list[str], *patterns: str) -> bool:
    return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))


@pytest.fixture(name="registered")
def fixture_registered(ansible: Ansible, rack1: Task, other: Simulator) -> Ansible:
    """Both EEMs are registered: rack1, and rack2 with three devices."""
    reach = {"url": other.url, "username": other.username, "password": other.password, "retries": 0, "timeout": 5}
    ansible.play(rack1, call("podm", name="rack2", **reach))
    return ansible


@pytest.mark.smoke
def test_a_run_says_a_line_a_pod_manager_and_one_of_all(registered: Ansible, eem: Simulator, eeios: list[str]) -> None:
    eem.patch(eeios[0], model="Changed")
    rack2 = r"rack2 Online: 0 added, 0 updated, 0 missing, 0 removed, 3 unchanged in \d+\.\d\d s"
    would, changed, again = sync(registered, "--check"), sync(registered), sync(registered)
    assert (would[0], changed[0], again[0]) == (0, 0, 0)
    assert matches(would[1], ONLINE.format(1, 11), rack2, r"2 of 2 pod managers synchronised, would be changed\.")
    assert matches(changed[1], ONLINE.format(1, 11), rack2, r"2 of 2 pod managers synchronised, changed\.")
    assert matches(again[1], ONLINE.format(0, 12), rack2, r"2 of 2 pod managers synchronised, nothing changed\.")


def test_a_run_with_an_eem_that_fails_ends_badly_after_the_others(
    registered: Ansible, eem: Simulator, other: Simulator, eeios: list[str]
) -> None:
    eem.patch(eeios[0], model="Changed")
    other.fault("fail", status=503, times=-1)
    status, lines = sync(registered)
    assert status != 0
    assert matches(
        lines,
        ONLINE.format(1, 11),
        r"rack2 Offline: .*HTTP 503.*",
        r"1 of 2 pod managers synchronised, changed, FAILED: rack2\.",
    )
    other.clear_faults()
    assert sync(registered)[0] == 0


@pytest.mark.parametrize("podms", ["rack1", "rack1, rack1", ["rack1"]], ids=repr)
def test_only_the_pod_managers_that_are_named_are_asked(
    registered: Ansible, other: Simulator, podms: str | list[str]
) -> None:
    other.reset_log()
    assert matches(
        sync(registered, podms=podms)[1], ONLINE.format(0, 12), r"1 of 1 pod managers synchronised, nothing changed\."
    )
    assert other.log() == []


def test_what_an_awx_survey_gives_is_understood(registered: Ansible, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    survey = {"forks": "1", "retention": "0.5", "textfile_dir": str(folder), "wait_after_refusal": "900"}
    status, lines = sync(registered, podms="", **survey, expether_hosts="")
    assert (status, len(lines)) == (0, 3)
    assert [path.name for path in folder.iterdir()] == ["expether.prom"]
    assert sync(registered, podms="", **dict.fromkeys(survey, ""))[0] == 0


def test_a_periodic_run_says_when_refused_credentials_are_sent_again(registered: Ansible, other: Simulator) -> None:
    other.fault("status", status=401, times=-1)
    refused, waiting = (sync(registered, podms="rack2", wait_after_refusal=900) for _time in range(2))
    assert refused[1][0] == waiting[1][0] and refused[0] != 0 and waiting[0] != 0
    assert matches(
        waiting[1],
        r"rack2 Offline: .* does not accept user 'admin' \(HTTP 401 at .*\). The same credentials are not sent again before .*",
        r"0 of 1 pod managers synchronised, nothing changed, FAILED: rack2\.",
    )
    assert [entry["status"] for entry in other.log()].count(401) == 1


def test_an_empty_registry_and_an_unknown_name_are_said(ansible: Ansible) -> None:
    done = play(ansible, "nec.expether.sync")
    assert (done.returncode, done.stdout) == (0, "No pod manager is registered.\n")
    assert str(ansible.files / "registry.sqlite3") in "".join(done.stderr.split()), "it says where it looked"
    status, lines = sync(ansible, podms="rack9")
    assert status != 0
    assert matches(lines, "Pod manager 'rack9' is not registered in .*")


@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        ("release", {"node_name": "n1", "detach_devices": "ture"}),
        ("compose", {"node_name": "n1", "device_types": "GPU", "purge": "perhaps"}),
        ("attach", {"node_name": "n1", "devices": "0x8cdf9d810000", "move": "yse"}),
    ],
)
def test_a_misspelt_choice_of_a_playbook_is_refused_and_not_taken_for_no(
    ansible: Ansible, known: Task, eem: Simulator, playbook: str, variables: dict[str, str]
) -> None:
    ansible.play(known, call("node", podm="rack1", name="n1", properties={"pci_device": {"type": ["SSD"]}}))
    eem.reset_log()
    done = play(ansible, f"nec.expether.{playbook}", f"--extra-vars={json.dumps(variables)}")
    assert done.returncode != 0 and "is not a valid boolean" in done.stdout, done.stdout + done.stderr
    assert [each for each in eem.log() if each["method"] != "GET"] == []


CALLBACK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Nothing of this
      ansible.builtin.command: echo never
    - ansible.builtin.debug: {msg: one line}
    - ansible.builtin.debug: {msg: [first of two, second of two]}
    - ansible.builtin.debug: {msg: "item {{ item }}"}
      loop: [1, 2]
    - ansible.builtin.debug: {msg: never}
      when: false
    - ansible.builtin.debug: {msg: never a secret}
      no_log: true
    - ansible.builtin.fail: {msg: never since ignored}
      ignore_errors: true
    - ansible.builtin.fail: {msg: "why item {{ item }} failed"}
      loop: [3]
"""


@pytest.mark.smoke
def test_the_callback_prints_what_a_play_says_and_nothing_else(ansible: Ansible, tmp_path: Path) -> None:
    playbook = tmp_path / "callback.yml"
    playbook.write_text(CALLBACK, encoding="utf-8")
    done = play(ansible, str(playbook))
    hidden = [line for line in done.stdout.splitlines() if "no_log" in line]
    assert [line for line in done.stdout.splitlines() if line not in hidden] == [
        "one line",
        "first of two",
        "second of two",
        "item 1",
        "item 2",
        "why item 3 failed",
    ]
    assert len(hidden) == 1 and done.stderr == ""
    assert done.returncode != 0


LINES = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ 'one\\nrack1 Online: nothing\\n' }}"
    - ansible.builtin.debug:
        msg: ["two\\r\\nand more", "  three\\tx", "\\e[31m", 4]
    - ansible.builtin.debug:
        msg: "{{ item }}"
      loop: ["日本語 \\U0001F600", "\\u2028five"]
    - ansible.builtin.command: "false"
      ignore_errors: true
    - ansible.builtin.fail:
        msg: "bad\\n\\e]0;title\\a\\nrack1 Online: nothing"
"""


def test_whatever_a_message_has_is_one_visible_line_for_each_text(ansible: Ansible, tmp_path: Path) -> None:
    playbook = tmp_path / "lines.yml"
    playbook.write_text(LINES, encoding="utf-8")
    done = play(ansible, str(playbook))
    assert done.returncode != 0
    assert done.stdout.split("\n") == [
        "one rack1 Online: nothing",
        "two  and more",
        "  three x",
        "\ufffd[31m",
        "4",
        "日本語 \U0001f600",
        " five",
        "bad \ufffd]0;title\ufffd rack1 Online: nothing",
        "",
    ]


def test_the_words_of_an_eem_are_one_line_of_the_journal(registered: Ansible, other: Simulator) -> None:
    other.fault("fail", code="50099", message="bad\x1b[2K\nrack1 Online: \ud83d", times=-1)
    _status, lines = sync(registered)
    other.clear_faults()
    rack2 = r"rack2 Offline: .*\(HTTP 500, code 50099: bad\ufffd\[2K rack1 Online: \ufffd\)\."
    assert matches(lines, ONLINE.format(0, 12), rack2, r"1 of 2 pod managers synchronised, changed, FAILED: rack2\.")
