# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password and no key anywhere: not in what is printed at -vvv --diff, not in results, files or the process list."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import threading
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest
from eemsim.client import Simulator
from module_runs import MODULES, Ansible, Orders, Run, Task, call

pytestmark = pytest.mark.through_ansible

CANARY = "Kanari-3n/Vogel+17"
OTHER = "Zeisig-8/Vogel+23"


def encoded(word: str) -> str:
    """What HTTP Basic makes of a password."""
    return base64.b64encode(f"admin:{word}".encode()).decode()


NEEDLES = tuple(
    needle
    for word in (CANARY, OTHER)
    for needle in (word, quote(word, safe=""), encoded(word), base64.b64encode(word.encode()).decode())
)
GPU = {"pci_device": {"type": ["GPU"]}}
#: What playbooks write for a password.
KNOWN, WRONG = "{{ canary }}", "{{ other }}"
SHAPES = (
    "http://admin:{{ canary }}@127.0.0.1:1/eem",
    "http://admin:{{ canary | urlencode }}@[::1/eem",
    "admin:{{ canary | urlencode }}@127.0.0.1:1/eem",
    "//admin:{{ canary }}@127.0.0.1:1/eem",
    "http://admin:{{ canary }}@127.0.0.1:port/eem",
)
LOUD = ("-vvv", "--diff")


@pytest.fixture(name="vault")
def fixture_vault(tmp_path: Path) -> Path:
    """A file with the passwords: the playbooks name them only."""
    path = tmp_path / "vault.yml"
    path.write_text(f'canary: "{CANARY}"\nother: "{OTHER}"\n', encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def locked_process() -> t.Iterator[Simulator]:
    with Simulator(eesv=4, eeio=12, password=CANARY) as process:
        yield process


@pytest.fixture(name="locked")
def fixture_locked(locked_process: Simulator) -> Simulator:
    """An EEM whose password is the canary."""
    locked_process.reset()
    return locked_process


def tasks_for(reach: dict[str, t.Any], eesv: str, eeios: list[str]) -> list[Task]:
    """A task of each module that talks to an EEM, in an order in which all succeed."""
    return [
        call("flavor", **reach, name="small", properties=GPU),
        call("flavor_info", **reach),
        call("podm_info", **reach, check=True),
        call("node", **reach, name="n1", node_index=eesv, flavor="small"),
        call("node_info", **reach),
        call("system_info", **reach),
        call("device_attach", **reach, node="n1", devices=eeios[2]),
        call("device", **reach, device=eeios[2], uid_led="on"),
        call("device_action", **reach, device=eeios[2], action="audit"),
        call("device_info", **reach),
        call("device_info", **reach, source="registry"),
        call("node", **reach, name="n1", state="absent"),
        call("flavor", **reach, name="small", state="absent"),
        call("sync", **reach),
        call("layout", **reach, nodes=[], release_others=True),
        call("layout_info", **reach),
    ]


def found_in(run: Run, folder: Path, allowed: tuple[Path, ...]) -> list[str]:
    """Where a password is that should be nowhere."""
    places = {"stdout": run.stdout, "stderr": run.stderr, "results": str([result.data for result in run])}
    for path in folder.rglob("*"):
        if path.is_file() and path not in allowed:
            places[str(path.relative_to(folder))] = path.read_bytes().decode("latin-1")
    # JSON and Python write a slash and a quote as they like.
    return [
        f"{needle} in {place}"
        for place, text in places.items()
        for needle in NEEDLES
        if needle in text or needle in text.replace("\\", "")
    ]


def loud(ansible: Ansible, vault: Path, *tasks: Task, environment: dict[str, str] | None = None) -> Run:
    arguments = (*LOUD, f"--extra-vars=@{vault}")
    log = ansible.folder / "ansible.log"
    variables = {"ANSIBLE_LOG_PATH": str(log), "ANSIBLE_PIPELINING": "0", **(environment or {})}
    run = ansible.play(*tasks, arguments=arguments, environment=variables)
    assert log.stat().st_size > 1000 and "module_args" in run.stdout
    assert found_in(run, ansible.folder, (vault,)) == []
    assert not list(ansible.temp.rglob("AnsiballZ*"))
    return run


def test_a_password_in_the_task_and_in_the_registry_is_shown_nowhere(
    ansible: Ansible, locked: Simulator, vault: Path, eesvs: list[str], eeios: list[str]
) -> None:
    register = call("podm", name="rack1", url=locked.url, username="admin", password=KNOWN, timeout=5, retries=0)
    by_name = tasks_for({"podm": "rack1"}, eesvs[0], eeios)
    # By its URL, what is about names is of the same pod manager.
    by_url = tasks_for({"url": locked.url, "username": "admin", "password": KNOWN}, eesvs[0], eeios)
    run = loud(
        ansible,
        vault,
        register.checked(),
        register,
        register.having(timeout=6),
        *by_name[:11],
        *by_url[3:7],
        by_url[7].having(uid_led="off"),
        *by_url[8:10],
        *by_name[11:],
    )
    assert {result.module for result in run} == {f"nec.expether.{module}" for module in MODULES}
    absent = call("podm", name="rack1", state="absent")
    loud(ansible, vault, by_name[0], by_name[3].checked(), by_name[11].checked(), absent.checked(), absent)


def test_a_password_is_shown_nowhere_when_it_fails(
    ansible: Ansible, locked: Simulator, vault: Path, eesvs: list[str], eeios: list[str]
) -> None:
    """Also by an EEM that repeats in its answers what it was sent."""
    register = call("podm", name="rack1", url=locked.url, username="admin", password=KNOWN, timeout=5, retries=0)
    wrong = {"url": locked.url, "username": "admin", "password": WRONG, "retries": 0}
    talking = [task for task in tasks_for({"podm": "rack1"}, eesvs[0], eeios)[3:10] if "source" not in task.options]
    ansible.play(register.having(password=CANARY), call("flavor", name="small", properties=GPU))
    shutil.rmtree(ansible.folder / "run1")
    locked.fault("fail", code="40900", message=f"not for {encoded(CANARY)} {CANARY}", times=-1)
    run = loud(
        ansible,
        vault,
        *(task.failing() for task in talking),
        register.having(name="rack2").failing(),
        call("podm_info", check=True),
        call("device_info"),
    )
    assert "not for ****" in run[0].msg
    assert run[len(run) - 1]["errors"]
    locked.clear_faults()
    locked.fault("fail", status=401, message=f"not {encoded(OTHER)} {OTHER}", times=-1)
    refused = [register.having(password=WRONG), *tasks_for(wrong, eesvs[0], eeios)[4:10]]
    run = loud(ansible, vault, *(task.failing() for task in refused))
    assert {result.kind for result in run} == {"unauthorized"}


def test_a_password_in_the_environment_is_shown_nowhere(
    ansible: Ansible, locked: Simulator, vault: Path, eesvs: list[str], eeios: list[str]
) -> None:
    environment = {"EEM_URL": locked.url, "EEM_USERNAME": "admin", "EEM_PASSWORD": CANARY}
    loud(ansible, vault, call("podm", name="rack1"), *tasks_for({}, eesvs[0], eeios)[4:10:5], environment=environment)
    environment["EEM_PASSWORD"] = OTHER
    loud(ansible, vault, call("device_info", retries=0).failing(), environment=environment)
    environment["EEM_URL"] = locked.url.replace("http://", f"http://admin:{OTHER}@")
    loud(ansible, vault, call("device_info").failing(), call("podm", name="rack2").failing(), environment=environment)


def test_a_password_in_a_url_is_shown_nowhere(
    ansible: Ansible, vault: Path, eesvs: list[str], eeios: list[str]
) -> None:
    tasks = [task for task in tasks_for({}, eesvs[0], eeios)[3:10] if "source" not in task.options]
    tasks.append(call("podm", name="rack1"))
    run = loud(
        ansible,
        vault,
        *(task.having(url=SHAPES[0]).failing() for task in tasks),
        *(tasks[-1 - place % 2].having(url=shape).failing() for place, shape in enumerate(SHAPES[1:])),
    )
    assert {result.kind for result in run} == {"invalid"}


def test_a_password_in_a_url_that_a_module_does_not_use_is_refused_and_shown_nowhere(
    ansible: Ansible, vault: Path
) -> None:
    url = "http://admin:{{ canary }}@127.0.0.1:1/eem"
    run = ansible.play(
        call("flavor", url=url, name="small", properties=GPU).failing(),
        call("flavor_info", url=url).failing(),
        call("podm_info", url=url).failing(),
        call("podm", name="none", url=url, state="absent").failing(),
        arguments=(*LOUD, f"--extra-vars=@{vault}"),
    )
    assert all(result.msg.startswith("`url` must not contain a user name or password") for result in run)
    assert found_in(run, ansible.folder, (vault,)) == []


def test_a_password_in_a_url_is_shown_nowhere_when_ansible_refuses_the_options(ansible: Ansible, vault: Path) -> None:
    url = "http://admin:{{ canary }}@127.0.0.1:1/eem"
    run = ansible.play(
        call("device_info", url=url, podm="rack1").failing(),
        call("node", url=url).failing(),
        arguments=(*LOUD, f"--extra-vars=@{vault}"),
    )
    assert found_in(run, ansible.folder, (vault,)) == []


def test_a_password_is_not_in_the_process_list(
    ansible: Ansible, locked: Simulator, vault: Path, orders: Orders, eeios: list[str]
) -> None:
    locked.set_options(latency_ms="400")
    register = call("podm", name="rack1", url=locked.url, username="admin", password=KNOWN, timeout=5)
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().decode("latin-1"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        loud(
            ansible,
            vault,
            register,
            call("device_attach", podm="rack1", devices=eeios[0], state="detached"),
            call("device_info", url=locked.url, username="admin", password=KNOWN),
        )
    finally:
        done.set()
        thread.join()
    assert any("AnsiballZ" in command for command in seen)
    assert [command for command in seen if any(needle in command for needle in NEEDLES)] == []


def test_a_loop_over_names_shows_no_password_as_the_readme_advises(
    ansible: Ansible, locked: Simulator, vault: Path
) -> None:
    eems = {"rack1": {"url": locked.url, "password": CANARY}, "rack2": {"url": locked.url, "password": OTHER}}
    vault.write_text(json.dumps({"eems": eems}), encoding="utf-8")
    task = call(
        "device_info", url="{{ eems[item].url }}", username="admin", password="{{ eems[item].password }}", retries=0
    )
    run = loud(ansible, vault, dataclasses.replace(task, keywords={"loop": "{{ eems | list }}"}).failing())
    assert ["failure" in item for item in run[0]["results"]] == [False, True]
