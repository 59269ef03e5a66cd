# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python libraries that are missing where a module runs: Ansible's own sentence, and only where they are needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from eemsim.client import Simulator
from module_runs import Ansible, Task, call

GPU = {"pci_device": {"type": ["GPU"]}}


@pytest.fixture(name="bare_python", scope="module")
def fixture_bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without any library."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


def python_path_without(library: str, tmp_path: Path) -> str:
    """A PYTHONPATH on which a library cannot be imported."""
    folder = tmp_path / f"without-{library}"
    folder.mkdir()
    (folder / f"{library}.py").write_text("raise ModuleNotFoundError", encoding="utf-8")
    return str(folder)


def test_no_pod_manager_is_called_away_because_a_library_is_missing(
    ansible: Ansible, known: Task, tmp_path: Path
) -> None:
    asking = [call("podm_info", check=True), call("device_info"), call("system_info"), call("node_info")]
    run = ansible.play(
        known,
        *(
            task.failing().with_environment(PYTHONPATH=path)
            for path in (python_path_without("requests", tmp_path), python_path_without("cryptography", tmp_path))
            for task in asking
        ),
    )
    assert {result.kind for result in run.results[1:]} == {"missing_library"}


def test_without_requests_the_registry_is_read_and_no_eem_is_asked(
    ansible: Ansible, known: Task, eeios: list[str], bare_python: str
) -> None:
    ansible.play(known)
    without = [
        call("podm_info"),
        call("flavor", name="small", properties=GPU),
        call("flavor_info"),
        call("device_info", source="registry"),
        call("podm", name="none", state="absent"),
        call("node", podm="rack1", name="none", state="absent"),
    ]
    url = "http://127.0.0.1:1/eem"
    needing = [
        call("podm", name="rack2", url=url),
        call("device_info", url=url),
        call("system_info", url=url),
        call("node_info", url=url),
        call("node", url=url, name="n1", properties=GPU),
        call("device_attach", url=url, devices=eeios[0], state="detached"),
    ]
    run = ansible.play(
        *(task.by_python(bare_python) for task in without), *(task.by_python(bare_python).failing() for task in needing)
    )
    assert len(run[3]["devices"]) == 12
    for result in run.results[len(without) :]:
        assert result.kind == "missing_library", result.msg
        assert "Failed to import the required Python library (requests)" in result.msg
        assert result.left_all_alone


def test_without_cryptography_only_passwords_cannot_be_remembered(
    ansible: Ansible, eem: Simulator, known: Task, rack1: Task, tmp_path: Path
) -> None:
    no_cryptography = python_path_without("cryptography", tmp_path)
    ansible.play(known)
    with Simulator(eesv=1, eeio=2, seed=200, username=None) as open_to_all:
        tasks = (
            rack1.having(name="rack2", url=open_to_all.url).failing().called("with a password"),
            call("device_info", podm="rack1").failing().called("a password that is remembered"),
            call("podm", name="open", url=open_to_all.url).called("without a password"),
            call("device_info", podm="open").called("its devices"),
            call("device_info", url=eem.url, username="admin", password=eem.password).called("by its URL"),
            call("flavor", name="small", properties=GPU).called("flavor"),
        )
        run = ansible.play(*(task.with_environment(PYTHONPATH=no_cryptography) for task in tasks))
        for about in ("with a password", "a password that is remembered"):
            assert run[about].kind == "missing_library"
            assert "Failed to import the required Python library (cryptography)" in run[about].msg
            assert run[about].left_all_alone
        assert len(run["its devices"]["devices"]) == 2
        assert len(run["by its URL"]["devices"]) == 12
