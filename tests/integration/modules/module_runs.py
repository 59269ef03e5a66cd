# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules as tasks, and records the result, the requests and the files of each task.

Each task runs in a fork of a warm process, one after the other. A play that needs Ansible itself runs on localhost through
ansible-playbook. Both are checked for what no run may have: warnings that no module promises, deprecations, tracebacks,
failures without a reason, and changes in check mode.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from forks import Forks, Json, Options, Report
from pci_tree import Tree
from traces import Traces

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
#: The names of all modules that talk to EEMs or use the registry.
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("expether_*.py"))

Order = tuple[str, str, Json]

#: What modules promise to warn of, and nothing else.
PROMISED = (
    r"System 0x\w{12} had no group id of its own and gets \d+: its host may need a reboot before that takes effect\.",
    r"The host of .+ must rescan its PCI bus before it sees its new devices\.",
    r"The host of .+ loses devices: its running operating system may be disturbed\.",
    r"Device 0x\w{12} was stranded in group \d+(, last used by node .+)?: the host .+ may still be using it\.",
    r"Attached (although the slot is empty|without knowing whether the slot has a device): .+\.",
    r"Device 0x\w{12} is attached to .+, but its link is down \(path_status0: .+, path_status1: .+\)\. Check .+\.",
    r"Asked EEM again: .+",
    r"Planned again: .+",
    r"EEM did not respond in time to a change of 0x\w{12} and may still carry it out\.",
    r"Waited for other runs: .+\.",
    r"Waited for EEM to list .+, because it may have just started\.",
    r"System 0x\w{12} already had \d+ devices\. They now belong to the node and will be detached .+\.",
    r"Node .+ has less than was requested, because these devices do not respond: .+\. Set `replace_silent: true` to .+\.",
    r"These devices of .+ do not respond: .+\.",
    r"These devices in the group of .+ do not respond and do not count, but use slots: .+\.",
    r"EEM did not detach these devices of .+, which do not respond: .+\. They stay in its group and use slots\.",
    r"Not detached( from .+)?, because they do not respond: .+\.",
    r"EEM is not listing these devices of .+, so they were not detached: .+\.",
    r"Node .+ is not part of the layout: .+\.",
    r"Pod manager .+ could not be asked: .+",
    r"No pod manager is registered in .+\.",
    r"Node .+ of pod manager .+ is not meant, because EEM_PODM or EEM_URL .+\. Set `podm` to use it\.",
    r"The PCI id list .+ that EXPETHER_PCI_IDS names cannot be read \(.+\), so vendors and devices have no names\.",
    r"`podms` is an empty list: no pod manager was synchronised\.",
    r"(Resetting|A reset frame to) (device|system) 0x\w{12}.* may disturb the running operating system of .+\.",
    r"0x\w{12} still responds: EEM may find it again, and then list it\.",
    r"Device 0x\w{12} was attached to .+\.",
    r"Stranded in group \d+ without system 0x\w{12}: .+\.",
    r"The EEM of pod manager .+ lists cards of other pod managers \(of .+\)\. .+",
    r"The EEM at .+ lists none of the \d+ cards that pod manager .+ had\. Check whether it is the same EEM\.",
    r"Node .+ stays stored without its system\. Release it .+\.",
    r"This task needs a registry that outlives the job, but none is set, .+",
    r"The registry .+ may have been changed while it was copied, .+",
    r"No driver uses .+\. Install or load the driver of the device on this host\.",
    r".+ is removed although it is in use: .+\.",
    r"Not all users of PCI functions are shown, because only root can see .+\. Run the task as root \(`become: true`\)\.",
)

#: How Ansible refuses options itself.
OPTION_REFUSED = (
    r"mutually exclusive|is required|are required|missing required|missing parameter|are missing|must be one of"
    r"|Unsupported parameters|unable to convert"
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a task did when it ran in an earlier play: the files that it left, and its result."""

    files: Path
    result: Result


@dataclasses.dataclass(frozen=True)
class Task:
    """A task of a module; ``call`` makes them."""

    module: str
    options: Options
    check_mode: bool = False
    may_fail: bool = False
    keywords: Options = dataclasses.field(default_factory=dict)
    orders: tuple[Order, ...] = ()
    name: str = ""
    outcome: Outcome | None = None

    def checked(self) -> Task:
        """The same task in check mode."""
        return dataclasses.replace(self, check_mode=True)

    def failing(self) -> Task:
        """The same task, which the test expects to fail."""
        return dataclasses.replace(self, may_fail=True)

    def having(self, **options: Json) -> Task:
        """The same task with further options."""
        return dataclasses.replace(self, options={**self.options, **options})

    def with_environment(self, **variables: str) -> Task:
        return dataclasses.replace(self, keywords={**self.keywords, "environment": variables})

    def by_python(self, interpreter: str) -> Task:
        variables = {"ansible_python_interpreter": interpreter}
        return dataclasses.replace(self, keywords={**self.keywords, "vars": variables})

    def after(self, *orders: Order) -> Task:
        """The same task after something was ordered of a simulator: see ``Orders``."""
        return dataclasses.replace(self, orders=(*self.orders, *orders))

    def with_outcome(self, outcome: Outcome) -> Task:
        """The same task, which is not run: in a play it stands for what it did before. It must be the first."""
        return dataclasses.replace(self, outcome=outcome)

    def called(self, name: str) -> Task:
        return dataclasses.replace(self, name=name)


def call(module: str, /, **options: Json) -> Task:
    """A task of ``nec.expether.expether_{module}``."""
    return Task(f"nec.expether.expether_{module}", options)


def on_host(module: str, tree: Tree, /, **options: Json) -> Task:
    """A task of ``nec.expether.pci_{module}`` on a tree that looks like sysfs and procfs."""
    roots = {"sysfs_root": str(tree.sys), "proc_root": str(tree.proc)}
    return Task(f"nec.expether.pci_{module}", {**roots, **options})


class Orders:
    """Orders to a simulator right before a task: arguments of `Task.after`."""

    def __init__(self, control: str) -> None:
        self._control = control

    def fault(self, *actions: dict[str, Json], times: int = 1, **match: Json) -> Order:
        return ("POST", f"{self._control}/faults", {"match": match, "times": times, "action": list(actions)})

    def no_faults(self) -> Order:
        return ("DELETE", f"{self._control}/faults", None)

    def patch(self, card: str, **changes: Json) -> Order:
        return ("PATCH", f"{self._control}/cards/{card}", changes)

    def options(self, **options: str) -> Order:
        return ("PATCH", f"{self._control}/options", options)

    def reset(self, **fleet: Json) -> Order:
        return ("POST", f"{self._control}/reset", fleet)

    def restart(self, **phases: Json) -> Order:
        return ("POST", f"{self._control}/restart", phases)


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a task."""

    task: str
    module: str
    check: bool
    failed: bool
    data: dict[str, Json]
    wire: list[dict[str, Json]]
    before: dict[str, str]
    after: dict[str, str]

    def __getitem__(self, key: str) -> Json:
        return self.data[key]

    @property
    def changed(self) -> bool:
        return bool(self.data.get("changed"))

    @property
    def msg(self) -> str:
        return str(self.data["msg"])

    @property
    def kind(self) -> str:
        return str(self.data["failure"]["kind"])

    @property
    def warnings(self) -> list[str]:
        return [str(each) for each in self.data.get("warnings", ())]

    @property
    def changes(self) -> list[dict[str, Json]]:
        """The requests that were no GET."""
        return [request for request in self.wire if request["method"] != "GET"]

    @property
    def connections(self) -> int:
        return len({request["connection"] for request in self.wire})

    @property
    def steps(self) -> list[dict[str, Json]]:
        """The plan without what became of it."""
        return [{key: value for key, value in step.items() if key != "status"} for step in self.data["plan"]]

    @property
    def statuses(self) -> set[str]:
        return {step["status"] for step in self.data["plan"]}

    @property
    def keys(self) -> set[str]:
        """The keys that the module gave, without those of Ansible."""
        return {key for key in self.data if not key.startswith("_ansible")} - OF_ANSIBLE

    @property
    def left_all_alone(self) -> bool:
        """Whether neither cards nor files were changed."""
        return not self.changes and self.before == self.after


#: Keys of a result that Ansible documents for every module.
OF_ANSIBLE = {"changed", "failed", "invocation", "warnings", "deprecations", "diff", "exception", "msg"}


class Run:
    """The results of tasks in their order, and the output."""

    def __init__(self, results: list[Result], status: int, stdout: str, stderr: str) -> None:
        self.results, self.status, self.stdout, self.stderr = results, status, stdout, stderr

    def __getitem__(self, place: int | str) -> Result:
        if isinstance(place, int):
            return self.results[place]
        return next(result for result in self.results if result.task == place)

    def __iter__(self) -> t.Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)


class Ansible:
    """Runs plays in a folder of its own; the registry is in ``files``.

    :param controls: URLs of the controls of the simulators to watch
    :param forks: runs plays without ansible-playbook; none if all plays of the test must use ansible-playbook
    """

    def __init__(self, folder: Path, controls: t.Sequence[str] = (), forks: Forks | None = None) -> None:
        self.folder, self.forks = folder, forks
        self.files = folder / "registry"
        self.files.mkdir()
        (folder / "home" / ".ansible").mkdir(parents=True)
        self.temp = folder / "temp"
        self.registry = f"sqlite:///{self.files / 'registry.sqlite3'}"
        self.controls = list(controls)
        self._runs = 0
        config = folder / "ansible.cfg"
        config.write_text("", encoding="utf-8")
        collections = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or f"{os.environ.get('ANSIBLE_HOME', '')}/collections"
        ours = ("ANSIBLE_", "EEM_", "EXPETHER_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self.environment = {
            **kept,
            "HOME": str(folder / "home"),
            "ANSIBLE_INJECT_INVOCATION": "1",  # core 2.21 shows the options that a module got only if asked
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_HOME": str(folder / "home" / ".ansible"),
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_LOCAL_TEMP": str(self.temp / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.temp / "remote"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "task_records",
            "EXPETHER_REGISTRY": self.registry,
            "EXPETHER_PCI_IDS": os.environ["EXPETHER_PCI_IDS"],
        }

    def play(
        self,
        *tasks: Task,
        arguments: t.Sequence[str] = ("--diff",),
        defaults: Options | None = None,
        environment: t.Mapping[str, str | None] | None = None,
    ) -> Run:
        """Run these tasks in one play; an unexpected failure of a task fails the test."""
        before = {task.name or f"{place} {task.module}": task for place, task in enumerate(tasks)}
        assert len(before) == len(tasks), "tasks need different names"
        known: list[Result] = []
        for name, task in list(before.items()):
            if task.outcome:
                shutil.copytree(task.outcome.files, self.files, dirs_exist_ok=True)
                known.append(task.outcome.result)
                del before[name]
        if not before:
            run = Run([], 0, "", "")
        elif self.forks is None or needs_ansible(before.values(), arguments, defaults, environment):
            run = self._by_ansible(before, arguments, defaults, environment)
        else:
            run = self._by_forks(self.forks, before, "--diff" in arguments, environment)
        run.results[:0] = known
        unexpected = [f"{each.task}: {each.msg}" for task, each in zip(tasks, run) if each.failed and not task.may_fail]
        assert unexpected == []
        assert len(run) == len(tasks), f"{run.stdout}\n{run.stderr}"
        assert [each.task for task, each in zip(tasks, run) if task.may_fail and not each.failed] == []
        return run

    def _by_ansible(
        self,
        tasks: t.Mapping[str, Task],
        arguments: t.Sequence[str],
        defaults: Options | None,
        environment: t.Mapping[str, str | None] | None,
    ) -> Run:
        plain = [
            {
                **task.keywords,
                "name": name,
                task.module: task.options,
                **({"check_mode": True} if task.check_mode else {}),
                **({"ignore_errors": True} if task.may_fail else {}),
            }
            for name, task in tasks.items()
        ]
        play: Options = {"hosts": "localhost", "gather_facts": False, "tasks": plain}
        if defaults is not None:
            play["module_defaults"] = {"group/nec.expether.expether": defaults}
        orders = {name: task.orders for name, task in tasks.items()}
        return self.run_playbook([play], orders, arguments, environment)

    def _by_forks(
        self, forks: Forks, tasks: t.Mapping[str, Task], diff: bool, environment: t.Mapping[str, str | None] | None
    ) -> Run:
        """Run tasks as a play does: stop after an unexpected failure."""
        traces, run = Traces(self.controls, self.files), Run([], 0, "", "")
        for name, task in tasks.items():
            traces.begin(task.orders)
            wanted = {**self.environment, **(environment or {}), **task.keywords.get("environment", {})}
            report = forks.run(
                task.module.rpartition(".")[2],
                {
                    **task.options,
                    "_ansible_check_mode": task.check_mode,
                    "_ansible_diff": diff,
                    "_ansible_inject_invocation": True,
                },
                {key: value for key, value in wanted.items() if value is not None},
                seconds=120,
            )
            run.stdout += report.out
            run.stderr += report.err
            failed, data = as_ansible_reads(report)
            run.results.append(Result(name, task.module, task.check_mode, failed, data, **traces.seen()))
            if failed and not task.may_fail:
                break
        assert run.stderr == ""
        return blameless(run)

    def run_playbook(
        self,
        playbook: Json,
        before: t.Mapping[str, t.Sequence[Order]] | None = None,
        arguments: t.Sequence[str] = (),
        environment: t.Mapping[str, str | None] | None = None,
    ) -> Run:
        """Run a playbook, and check what no run may do."""
        self._runs += 1
        folder = self.folder / f"run{self._runs}"
        folder.mkdir()
        playbook_file, orders, records = folder / "play.yml", folder / "orders.json", folder / "records.jsonl"
        playbook_file.write_text(json.dumps(playbook, indent=1), encoding="utf-8")
        orders.write_text(
            json.dumps(
                {"before": before or {}, "controls": self.controls, "folder": str(self.files), "records": str(records)}
            ),
            encoding="utf-8",
        )
        inventory = folder / "hosts.yml"
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory.write_text(json.dumps({"all": {"hosts": {"localhost": host}}}), encoding="utf-8")
        wanted = {**self.environment, "TASK_RECORDS": str(orders), **(environment or {})}
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", f"--inventory={inventory}", *arguments, str(playbook_file)],
            cwd=folder,
            env={key: value for key, value in wanted.items() if value is not None},
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
        )
        lines = records.read_text(encoding="utf-8").splitlines() if records.exists() else []
        results = [self._result(json.loads(line)) for line in lines]
        run = Run(results, done.returncode, done.stdout, done.stderr)
        assert results, f"{done.stdout}\n{done.stderr}"
        return blameless(run)

    @staticmethod
    def _result(record: Json) -> Result:
        keys = ("task", "module", "check", "failed", "result", "wire", "before", "after")
        return Result(*(record[key] for key in keys))


def needs_ansible(
    tasks: t.Iterable[Task],
    arguments: t.Sequence[str],
    defaults: Options | None,
    environment: t.Mapping[str, str | None] | None,
) -> bool:
    """Whether a play uses what only Ansible does: templates, keywords, defaults, another Python or its libraries."""
    keywords = {key for task in tasks for key in task.keywords}
    variables = {*(environment or {}), *(key for task in tasks for key in task.keywords.get("environment", ()))}
    return bool(
        defaults is not None
        or {*arguments} - {"--diff"}
        or keywords - {"environment"}
        or "PYTHONPATH" in variables
        or "{{" in json.dumps([task.options for task in tasks])
    )


def as_ansible_reads(report: Report) -> tuple[bool, dict[str, Json]]:
    """Return whether a module failed, and its result as Ansible passes it to callbacks."""
    data = report.result
    failed = data.pop("failed", False)
    assert report.status == int(failed), report
    data.setdefault("changed", False)
    if "warnings" in data:  # objects since ansible-core 2.19
        data["warnings"] = [each if isinstance(each, str) else each["event"]["msg"] for each in data["warnings"]]
    return failed, data


def blameless(run: Run) -> Run:
    """Return a run after checking it."""
    found = complaints(run)
    assert not found, "\n".join(found)
    return run


def complaints(run: Run) -> list[str]:
    """What is wrong with a run whatever it was about."""
    found = []
    for result in run:
        about = f"{result.task}: "
        found += [f"{about}warns: {each}" for each in result.warnings if not is_promised(each)]
        found += [f"{about}deprecated: {each}" for each in result.data.get("deprecations", ())]
        if result.check and result.changes:
            found.append(f"{about}check mode sent {result.changes}")
        if result.check and result.before != result.after:
            found.append(f"{about}check mode wrote {changed_files(result)}")
        if result.failed and result.module.startswith("nec.expether.") and not is_sentence(result):
            found.append(f"{about}fails without a reason: {result.msg}")
    said = [squeezed(warning) for result in run for warning in result.warnings]
    for level, text in re.findall(r"(?s)\[([A-Z ]*WARNING)\]: (.*?)(?=\n\[[A-Z ]+\]: |\Z)", run.stderr):
        if not any(squeezed(text).startswith(warning) for warning in said):
            found.append(f"stderr: {level}: {text}")
    found += [f"stderr: {line}" for line in run.stderr.splitlines() if re.search(r"Traceback|Warning:", line)]
    return found


def assert_check_mode_tells_the_truth(check: Result, real: Result) -> None:
    """That a task in check mode gave what the same task gave when it ran after it, but for times and statuses."""
    assert check.check and not real.check
    assert check.changed == real.changed
    assert check.keys == real.keys
    if "plan" in real.keys:
        assert check.steps == real.steps
        assert check.statuses <= {"planned"}
        assert real.statuses <= {"done"}
    unknown = ("connected", "connected_devices") if real.data.get("reboot_required") else ()
    assert timeless(check.data) == timeless(with_nulls(real.data, check.data, unknown))
    assert check.warnings == real.warnings


def with_nulls(data: Json, other: Json, keys: t.Container[str]) -> Json:
    """A result in which these keys are null where they are null in another one: nobody could know them then."""
    if isinstance(data, dict) and isinstance(other, dict):
        return {
            key: None if key in keys and other.get(key, value) is None else with_nulls(value, other.get(key), keys)
            for key, value in data.items()
        }
    if isinstance(data, list) and isinstance(other, list) and len(data) == len(other):
        return [with_nulls(item, its, keys) for item, its in zip(data, other)]
    return data


def timeless(data: Json) -> Json:
    """A result without what differs from run to run: times, and what became of the steps."""
    if isinstance(data, dict):
        left_out = ("invocation", "status", "last_sync", "missing_since", "seconds")
        return {
            key: timeless(value)
            for key, value in data.items()
            if key not in left_out and not key.startswith("_ansible") and not key.endswith("_at")
        }
    return [timeless(item) for item in data] if isinstance(data, list) else data


def twelve_cases(ansible: Ansible, *steps: tuple[str, Task], prepared: t.Sequence[Task] = ()) -> Run:
    """Each step in check mode, for true, again in check mode, and again, in one play; ``steps`` are three.

    A step's task is called by its word; the others are called "WORD in check mode", "WORD again", "WORD again in
    check mode".
    """
    tasks = list(prepared)
    for word, task in steps:
        tasks += [
            task.called(f"{word} in check mode").checked(),
            task.called(word),
            task.called(f"{word} again in check mode").checked(),
            task.called(f"{word} again"),
        ]
    run = ansible.play(*tasks)
    assert len(steps) == 3
    for word, dummy in steps:
        for about, changed in ((word, True), (f"{word} again", False)):
            check, real = run[f"{about} in check mode"], run[about]
            assert (about, check.changed, real.changed) == (about, changed, changed)
            assert_check_mode_tells_the_truth(check, real)
            if not changed:
                assert real.left_all_alone, f"{about}: {real.changes} {changed_files(real)}"
                assert len(real.wire) <= 2
                assert real.data.get("plan", []) == []
    return run


def is_sentence(failed: Result) -> bool:
    """Whether a failed task has a reason for people and one for machines, or was refused for its options by Ansible."""
    if "results" in failed.data:  # a loop: the reasons are those of its items
        return failed.msg == "One or more items failed"
    if "failure" not in failed.data:
        return bool(re.search(OPTION_REFUSED, failed.msg))
    kind, message = failed["failure"]["kind"], failed["failure"]["message"]
    if failed.msg.startswith("Failed to import the required Python library"):
        return kind == "missing_library"
    return bool(message in failed.msg and re.fullmatch(r"\S[^\n]*[.?]", failed.msg)) and "Traceback" not in failed.msg


def is_promised(warning: str) -> bool:
    return any(re.fullmatch(pattern, warning) for pattern in PROMISED)


def changed_files(result: Result) -> list[str]:
    return sorted(name for name in {*result.before, *result.after} if result.before.get(name) != result.after.get(name))


def squeezed(text: str) -> str:
    """Text without white space: Ansible breaks lines anywhere."""
    return re.sub(r"\s", "", text)
