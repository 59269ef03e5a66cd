# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A missing Python or library is reported, but only if the module needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.release import __version__ as core_version
from eemsim.client import Simulator
from module_runs import MODULES, Ansible, Task, call

GPU = {"pci_device": {"type": ["GPU"]}}


@pytest.fixture(name="bare_python", scope="module")
def fixture_bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without any library."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


def python(version: str) -> str:
    """A Python of a version, on PATH or of pyenv; the test is skipped without."""
    roots = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")]
    found = [str(path) for root in roots for path in sorted(root.glob(f"versions/{version}.*/bin/python{version}"))]
    for candidate in (*found, shutil.which(f"python{version}")):
        if candidate and subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode == 0:
            return candidate
    pytest.skip(f"Python {version} is not here")


def python_path_with_old(library: str, version: str, tmp_path: Path) -> str:
    """A PYTHONPATH on which a library claims this version."""
    folder = tmp_path / f"old-{library}"
    metadata = folder / f"{library}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n", encoding="utf-8")
    return str(folder)


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
            call("device_info", podm="rack1").failing().called("a stored password"),
            call("podm", name="open", url=open_to_all.url).called("without a password"),
            call("device_info", podm="open").called("its devices"),
            call("device_info", url=eem.url, username="admin", password=eem.password).called("by its URL"),
            call("flavor", name="small", properties=GPU).called("flavor"),
        )
        run = ansible.play(*(task.with_environment(PYTHONPATH=no_cryptography) for task in tasks))
        for about in ("with a password", "a stored password"):
            assert run[about].kind == "missing_library"
            assert "Failed to import the required Python library (cryptography)" in run[about].msg
            assert run[about].left_all_alone
        assert len(run["its devices"]["devices"]) == 2
        assert len(run["by its URL"]["devices"]) == 12


def test_without_psycopg_only_a_registry_in_postgresql_is_refused_with_the_command_that_installs_it(
    ansible: Ansible, tmp_path: Path
) -> None:
    refused = call("flavor_info", registry="postgresql://u@127.0.0.1:1/db").failing()
    missing, old = python_path_without("psycopg", tmp_path), python_path_with_old("psycopg", "3.1.5", tmp_path)
    run = ansible.play(
        refused.with_environment(PYTHONPATH=missing).called("missing"),
        refused.with_environment(PYTHONPATH=old).called("old"),
        call("flavor_info").with_environment(PYTHONPATH=missing),
    )
    for about in ("missing", "old"):
        assert run[about].kind == "missing_library" and run[about].left_all_alone
        assert f"{sys.executable} -m pip install 'psycopg[binary]>=3.1.6'" in run[about].msg


# The last ansible-core that runs modules with that Python; newer ones say themselves that they do not.
@pytest.mark.smoke
@pytest.mark.parametrize(("version", "last_core"), [("3.6", (2, 16)), ("3.7", (2, 17)), ("3.8", (2, 19))])
def test_an_older_python_is_refused_in_a_sentence_by_every_module(
    ansible: Ansible, version: str, last_core: tuple[int, int]
) -> None:
    if tuple(map(int, core_version.split(".")[:2])) > last_core:
        pytest.skip(f"ansible-core {core_version} itself refuses Python {version}")
    old = python(version)
    word = "Kanari-3n/Vogel+17"
    tasks = [
        call(module.removeprefix("expether_"), username="admin", password=word).by_python(old).failing()
        for module in MODULES
    ]
    run = ansible.play(*tasks, call("flavor_info").by_python(old).failing().called("without options"))
    for result in run:
        assert (
            f"nec.expether needs Python 3.9 or later on the host where it runs; {old} is Python {version}."
            in result.msg
        )
        assert "ansible_python_interpreter" in result.msg
        assert result.kind == "missing_library" and result.left_all_alone
        assert word not in str(result.data)


def test_libraries_that_are_too_old_are_named_with_the_version_that_is_needed(
    ansible: Ansible, known: Task, eem: Simulator, tmp_path: Path
) -> None:
    asking = call("device_info", podm="rack1").failing()
    requests = python_path_with_old("requests", "2.25.0", tmp_path)
    cryptography = python_path_with_old("cryptography", "36.0.1", tmp_path)
    prometheus = python_path_with_old("prometheus_client", "0.13.1", tmp_path)
    run = ansible.play(
        known,
        asking.with_environment(PYTHONPATH=requests).called("requests"),
        asking.with_environment(PYTHONPATH=cryptography).called("cryptography"),
        call("sync", textfile_dir=str(tmp_path)).failing().with_environment(PYTHONPATH=prometheus).called("prometheus"),
        call("flavor_info").with_environment(PYTHONPATH=os.pathsep.join((requests, cryptography, prometheus))),
    )
    for about, needed, found in (
        ("requests", "requests 2.25.1", "requests 2.25.0"),
        ("cryptography", "cryptography 36.0.2", "cryptography 36.0.1"),
        ("prometheus", "prometheus_client 0.14.0", "prometheus_client 0.13.1"),
    ):
        assert run[about].kind == "missing_library"
        assert f"nec.expether needs {needed} or later on the host where it runs; " in run[about].msg
        assert f" has {found}." in run[about].msg
        assert run[about].left_all_alone


@pytest.mark.parametrize("library", ["requests", "cryptography"])
def test_a_library_that_cannot_be_imported_for_any_reason_is_named(
    ansible: Ansible, known: Task, tmp_path: Path, library: str
) -> None:
    broken = Path(python_path_without(library, tmp_path))
    (broken / f"{library}.py").write_text("raise AttributeError('module lib has no attribute X')", encoding="utf-8")
    run = ansible.play(known, call("device_info", podm="rack1").failing().with_environment(PYTHONPATH=str(broken)))
    assert run[1].kind == "missing_library"
    assert f"Failed to import the required Python library ({library})" in run[1].msg
