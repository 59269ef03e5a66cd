# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests here rely on forks: a module in a fork returns and does the same as through ansible-playbook."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from eemsim.client import Simulator
from forks import Forks, Report
from module_runs import Ansible, Orders, Result, Task, as_ansible_reads, call, needs_ansible, timeless


def everything(register: Task, orders: Orders, eesv: str, eeios: list[str]) -> list[Task]:
    """Successes, changes and check mode, with and without diffs and warnings, and failures of module, EEM and Ansible."""
    node = call("node", podm="rack1", name="n1", node_index=eesv, properties={"devices": [{"type": "GPU", "count": 2}]})
    refusal = orders.fault({"do": "fail", "code": "40999", "message": "no"})
    return [
        register.checked(),
        register,
        node.checked(),
        node,
        node,
        call("sync", podms=[]),
        call("device_info", devices=[int(eeios[0], 16), eeios[2]], type=None),
        call("device_info", podm="none").failing(),
        call("device_info", podm="rack1", url="http://127.0.0.1:1/eem").failing(),
        call("flavor", name="f", state="there").failing(),
        call("device_attach", podm="rack1", node="n1", devices=eeios[2]).failing().after(refusal),
        call("podm_info", registry=None).with_environment(EXPETHER_REGISTRY="nothing://there").failing(),
    ]


def comparable(result: Result) -> dict[str, t.Any]:
    """Return a result without what differs from run to run."""
    left_out = ("exception",)  # the controller adds to each failure that there is no traceback
    data = {key: value for key, value in result.data.items() if key not in left_out and not key.startswith("_ansible")}
    return {
        "task": (result.task, result.module, result.check, result.failed),
        "data": {**timeless(data), "invocation": data.get("invocation")},
        "wire": [(request["method"], request["path"], request["status"]) for request in result.wire],
        "files": (sorted(result.before), sorted(result.after), result.before == result.after),
    }


@pytest.mark.smoke
def test_a_fork_returns_and_does_the_same_as_ansible(
    eem: Simulator, module_forks: Forks, rack1: Task, orders: Orders, eesvs: list[str], eeios: list[str], tmp_path: Path
) -> None:
    tasks, found = everything(rack1, orders, eesvs[3], eeios), []
    for runner in (None, module_forks):
        eem.reset()
        folder = tmp_path / "folder"
        folder.mkdir()
        ansible = Ansible(folder, [eem.control], runner)
        found.append([comparable(result) for result in ansible.play(*tasks, arguments=("--diff",))])
        without = ansible.play(call("flavor", name="f", properties={"pci_device": {"type": ["GPU"]}}), arguments=())
        found[-1].append(comparable(without[0]))
        folder.rename(tmp_path / f"{len(found)}")
    for real, forked in zip(*found):
        assert forked == real
    assert any("warnings" in each["data"] for each in found[1]) and any("diff" in each["data"] for each in found[1])


def test_a_play_that_needs_ansible_goes_through_ansible() -> None:
    plain = call("podm_info").with_environment(EEM_URL="http://127.0.0.1:1/eem")
    assert not needs_ansible([plain, plain.checked(), plain.failing()], ("--diff",), None, {"EEM_USERNAME": None})
    for task in (
        plain.having(name="{{ 1 }}"),
        plain.by_python("/usr/bin/python3"),
        plain.with_environment(PYTHONPATH="/"),
    ):
        assert needs_ansible([plain, task], (), None, None)
    assert needs_ansible([plain], ("-vvv",), None, None)
    assert needs_ansible([plain], (), {}, None)
    assert needs_ansible([plain], (), None, {"PYTHONPATH": "/"})


@pytest.mark.parametrize(
    ("status", "out", "err"),
    [
        (0, '{"changed": false}\n{"changed": false}', ""),
        (0, 'noise\n{"changed": false}', ""),
        (1, '{"changed": false}', ""),
        (0, '{"failed": true, "msg": "a b c."}', ""),
        (0, "", ""),
        (None, '{"changed": false}', ""),
        (-9, "", ""),
    ],
)
def test_output_and_status_must_be_those_of_a_module(status: int | None, out: str, err: str) -> None:
    with pytest.raises(AssertionError):
        as_ansible_reads(Report(status, out, err))


def test_each_invariant_is_checked_of_forks_too(ansible: Ansible, eem: Simulator) -> None:
    """With reports that no module gives."""

    class Odd(Forks):
        def __init__(self, report: Report) -> None:
            self._report = report

        def run(self, *_arguments: t.Any, **_named: t.Any) -> Report:
            return self._report

    for about, odd in {
        "warns": Report(0, '{"changed": false, "warnings": ["Something odd."]}', ""),
        "deprecated": Report(0, '{"changed": false, "deprecations": [{"msg": "Old."}]}', ""),
        "fails without a reason": Report(1, '{"failed": true, "msg": "oops"}', ""),
        "DeprecationWarning": Report(0, '{"changed": false}', "x.py:1: DeprecationWarning: old"),
    }.items():
        ansible.forks = Odd(odd)
        task = call("podm_info")
        with pytest.raises(AssertionError, match=about):
            ansible.play(task.failing() if odd.status else task)


def test_check_mode_of_forks_must_change_nothing(ansible: Ansible, eem: Simulator, eeios: list[str]) -> None:
    class Meddling(Forks):
        def run(self, *_arguments: t.Any, **_named: t.Any) -> Report:
            (ansible.files / "new").write_text("x", encoding="utf-8")
            eem.call("PUT", f"/devices/{eeios[0]}/audit")
            return Report(0, '{"changed": true}', "")

    ansible.forks = Meddling()
    with pytest.raises(AssertionError) as caught:
        ansible.play(call("sync").checked())
    assert "check mode sent" in str(caught.value) and "check mode wrote ['new']" in str(caught.value)
