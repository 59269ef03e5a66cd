# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs playbooks as jobs of AWX run, without an AWX: a private folder, a container that is gone with the job, ansible-runner.

What AWX does, and this does too (awx/main/tasks/jobs.py, awx/main/utils/safe_yaml.py):

- The private folder is /runner in the container, HOME, and new for each job. It has the project, the inventory as a script,
  ``env/envvars``, ``env/extravars``, ``env/cmdline``, ``env/passwords``, ``env/settings`` and the files of credentials,
  ``env/tmp...``. All answers of a survey are ``!unsafe``.
- The container has mounts and processes of its own. On OpenShift its user has a random number, no account, and group 0.
  Nothing in it lasts but the volumes that are mounted into it.
- ansible-runner writes events, stdout, the exit status and the command to ``artifacts``.

The container is made of namespaces: its root is a tmpfs, into which the programs of this machine are mounted read-only.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path
from urllib.parse import quote

import yaml
from eemsim.client import Simulator

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ("register", "sync", "devices", "compose", "attach", "detach", "release")
#: A user as OpenShift has them: no account, group 0.
UID = 1000660000
COLLECTIONS = "/runner/requirements_collections"
#: What a job is started with: everything is shown.
LOUD = ("-vvvvv", "--diff")

Json = t.Any


def why_impossible() -> str:
    """Return why this machine has no containers for the jobs, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if missing := [program for program in ("unshare", "mount", "chroot") if not shutil.which(program)]:
        return f"needs {', '.join(missing)}, which is not installed"
    command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "none", "/tmp"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return "needs permission to mount and to create mount and pid namespaces"
    return ""


class _Dumper(yaml.SafeDumper):
    """Writes variables as AWX does: all text is unsafe, also the names of variables."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def questions_of(playbook: str) -> list[str]:
    """Return the variables of a playbook, of each of which its survey has a question."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")
    return re.findall(r"^#   (\w+)  +\w", text, re.MULTILINE)


def needles_of(secrets: t.Iterable[str], username: str) -> set[str]:
    """Return the forms in which a secret may be shown: as it is, in a URL, in a header, in Base64."""
    return {
        needle
        for secret in secrets
        for needle in (
            secret,
            quote(secret, safe=""),
            base64.b64encode(secret.encode()).decode(),
            base64.b64encode(f"{username}:{secret}".encode()).decode(),
        )
    }


@dataclasses.dataclass(frozen=True)
class Ended:
    """A job that has ended, from what ansible-runner wrote about it."""

    folder: Path
    artifacts: Path
    log: str
    was_killed: bool = False

    @property
    def status(self) -> str:
        path = self.artifacts / "status"
        return path.read_text(encoding="utf-8") if path.exists() else "none"

    @property
    def stdout(self) -> str:
        path = self.artifacts / "stdout"
        return path.read_text(encoding="utf-8") if path.exists() else self.log

    @property
    def events(self) -> list[dict[str, Json]]:
        paths = self.artifacts.glob("job_events/*-*.json")
        found = [json.loads(path.read_text(encoding="utf-8")) for path in paths if "partial" not in path.name]
        return sorted(found, key=lambda event: int(event["counter"]))

    @property
    def results(self) -> list[dict[str, Json]]:
        """The results of the collection's modules."""
        return [
            event["event_data"]["res"]
            for event in self.events
            if event["event"] in ("runner_on_ok", "runner_on_failed")
            and event["event_data"]["resolved_action"].startswith("nec.expether.")
        ]

    @property
    def result(self) -> dict[str, Json]:
        """The result of the only module."""
        (found,) = self.results
        return found

    @property
    def failures(self) -> list[str]:
        """The messages of failed tasks."""
        return [event["event_data"]["res"]["msg"] for event in self.events if event["event"] == "runner_on_failed"]

    @property
    def set_stats(self) -> dict[str, Json]:
        """What the next job of a workflow gets."""
        last = next(event for event in self.events if event["event"] == "playbook_on_stats")
        found: dict[str, Json] = last["event_data"].get("artifact_data", {})
        return found

    def changed(self) -> bool:
        """Return whether the job changed something. It must have been successful."""
        assert self.status == "successful", f"{self.failures}\n{self.stdout[-4000:]}"
        return bool(self.result["changed"])


class Job:
    """A job that was started; `end` waits for it."""

    def __init__(self, folder: Path, number: int, command: list[str]) -> None:
        self.folder, self.number = folder, number
        self._log = folder.parent / f"{folder.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> Ended:
        """Kill all processes of the container at once, as when a pod is deleted or its node runs out of memory."""
        self._process.kill()
        return dataclasses.replace(self.end(), was_killed=True)

    def end(self, seconds: float = 280) -> Ended:
        try:
            self._process.wait(seconds)
        finally:
            self._process.kill()
        log = self._log.read_text(encoding="utf-8", errors="replace")
        return Ended(self.folder, self.folder / "artifacts" / str(self.number), log)


class Awx:
    """Starts jobs. Its attributes are what people would set up in AWX, and may be changed between jobs.

    :ivar environment: what credentials put into the environment
    :ivar files: what credentials put into files: the variable of the environment that names the file, and its content
    :ivar volumes: folders of this machine that each job gets, with their paths in the container
    :ivar secrets: what no job may show
    :ivar marks: files that tell that this is a container; AWX's own mark is always there
    """

    def __init__(self, folder: Path, uid: int = UID, path: str = "") -> None:
        self.folder, self.uid = folder, uid
        self.path = path or f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.volumes: dict[Path, str] = {}
        self.secrets: list[str] = []
        self.marks = ["/run/.containerenv"]
        self.hosts: dict[str, Json] = {
            "localhost": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        }
        self.username = "admin"
        self._jobs = 0
        folder.mkdir(exist_ok=True)

    def use(self, eem: Simulator) -> None:
        """Have each job get the credential of this EEM."""
        self.environment |= {"EEM_URL": eem.url, "EEM_USERNAME": eem.username or "", "EEM_PASSWORD": eem.password}
        self.secrets.append(eem.password)

    def keep_registry_in(self, folder: Path, owner: int | None = None, mode: int = 0o770) -> None:
        """Give each job a volume for the registry that lasts."""
        folder.mkdir(exist_ok=True)
        os.chown(folder, self.uid if owner is None else owner, 0)
        folder.chmod(mode)
        self.volumes[folder] = "/var/lib/expether-registry"
        self.environment["EXPETHER_REGISTRY"] = "sqlite:////var/lib/expether-registry/registry.sqlite3"

    def launch(self, playbook: str, *arguments: str, **answers: Json) -> Job:
        """Start a job; questions of the survey without an answer were skipped."""
        self._jobs += 1
        folder = self.folder / f"awx_{self._jobs}"
        self._write_private_folder(folder, playbook, arguments, answers)
        root = self.folder / "root"  # in the container a tmpfs is mounted on it
        root.mkdir(exist_ok=True)
        script = folder.parent / f"{folder.name}.sh"
        script.write_text("\n".join(self._container(folder, root, playbook)) + "\n", encoding="utf-8")
        namespaces = ("--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation=private")
        return Job(folder, self._jobs, ["unshare", *namespaces, "sh", str(script)])

    def run(self, playbook: str, *arguments: str, **answers: Json) -> Ended:
        """Run a job to its end, and check that it shows no secret and no traceback."""
        return self.checked(self.launch(playbook, *arguments, **answers).end())

    def checked(self, job: Ended) -> Ended:
        """Return a job that shows no secret and no traceback."""
        assert self._shown(job) == []
        assert "Traceback" not in job.stdout + job.log, job.stdout + job.log
        return job

    def kill_at(self, eem: Simulator, fault: int, job: Job) -> Ended:
        """Kill a job when a request of it meets this fault of the simulator; then delete the faults."""
        deadline = time.monotonic() + 200
        while not any(each["used"] for each in eem.faults() if each["id"] == fault):
            assert job.is_running() and time.monotonic() < deadline, job.kill().stdout[-4000:]
            time.sleep(0.02)
        ended = self.checked(job.kill())
        assert ended.status != "successful"
        eem.clear_faults()
        return ended

    def _write_private_folder(
        self, folder: Path, playbook: str, arguments: tuple[str, ...], answers: t.Mapping[str, Json]
    ) -> None:
        """Write what AWX writes before a job starts."""
        for name in ("project", "inventory", "env", "cp", "requirements_collections/ansible_collections/nec/expether"):
            (folder / name).mkdir(parents=True)
        write_project(folder / "project")
        env = {
            "JOB_ID": str(self._jobs),
            "INVENTORY_ID": "1",
            "PROJECT_REVISION": "0" * 40,
            "AWX_HOST": "https://awx.example.com",
            "AWX_PRIVATE_DATA_DIR": f"/tmp/{folder.name}_x1y2z3",  # of the machine that has started the container
            "MAX_EVENT_RES": "700000",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": "/runner/cp",
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:~/.ansible/collections:/usr/share/ansible/collections",
            **self.environment,
        }
        for variable, content in self.files.items():
            handle, path = tempfile.mkstemp(dir=folder / "env")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
            env[variable] = f"/runner/env/{Path(path).name}"
        skipped = dict.fromkeys(questions_of(playbook), "") if (ROOT / "playbooks" / f"{playbook}.yml").exists() else {}
        texts = {
            "envvars": json.dumps(env),
            "extravars": yaml.dump({**skipped, **answers, "awx_job_id": self._jobs}, Dumper=_Dumper),
            "cmdline": shlex.join([*LOUD, *arguments]),
            "passwords": json.dumps({r"SSH password:\s*?$": "", r"BECOME password.*:\s*?$": ""}),
            "settings": json.dumps({"idle_timeout": 0, "job_timeout": 0, "pexpect_timeout": 5}),
        }
        for name, text in texts.items():
            (folder / "env" / name).write_text(text, encoding="utf-8")
        inventory = {
            "all": {"hosts": [*self.hosts]},
            "_meta": {"hostvars": self.hosts},
        }
        script = folder / "inventory" / "hosts"
        script.write_text(f"#! {sys.executable}\nprint({json.dumps(inventory)!r})\n", encoding="utf-8")
        script.chmod(0o700)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, 0)
            path.chmod(path.stat().st_mode & 0o700)

    def _container(self, folder: Path, root: Path, playbook: str) -> t.Iterator[str]:
        """Give the lines of the script that makes the container and runs the job in it."""

        def bind(source: Path | str, target: str, read_only: bool = True) -> t.Iterator[str]:
            place = shlex.quote(f"{root}{target}")
            yield f"mkdir -p {place}"
            yield f"mount --rbind {shlex.quote(str(source))} {place}"
            if read_only:
                yield f"mount -o remount,bind,ro {place}"

        yield "set -eu"
        yield f"mount -t tmpfs -o mode=755 job {shlex.quote(str(root))}"
        for name in ("bin", "etc", "lib", "lib64", "sbin", "usr"):
            path = Path("/", name)
            if path.is_symlink():
                yield f"ln -s {os.readlink(path)} {shlex.quote(str(root))}/{name}"
            elif path.exists():
                yield from bind(path, f"/{name}")
        yield from bind("/dev", "/dev", read_only=False)
        place = shlex.quote(str(root))
        yield f"mkdir -p {place}/proc {place}/run {place}/var/lib {place}/var/tmp {place}/tmp"
        yield f"chmod 1777 {place}/tmp {place}/var/tmp"
        yield f"mount -t proc proc {place}/proc"
        yield f"mount -t tmpfs -o mode=1777 shm {place}/dev/shm"
        # What the image has: Python, ansible-core, ansible-runner, and the test data of this checkout.
        for path in sorted({sys.base_prefix, sys.prefix, *self._more_pythons(), str(ROOT)}):
            if not path.startswith("/usr"):
                yield from bind(path, path)
        yield from bind(folder, "/runner", read_only=False)
        yield from bind(ROOT, f"{COLLECTIONS}/ansible_collections/nec/expether")
        for source, target in self.volumes.items():
            yield from bind(source, target, read_only=False)
        for mark in self.marks:
            yield f"touch {place}{mark}"
        env = {
            "PATH": self.path,
            "HOME": "/runner",
            "LC_ALL": "C.UTF-8",
            "EXPETHER_PCI_IDS": str(ROOT / "tests" / "pci.ids"),
        }
        yield shlex.join(
            [
                "chroot",
                f"--userspec={self.uid}:0",
                str(root),
                "env",
                "--ignore-environment",
                *(f"{name}={value}" for name, value in env.items()),
                sys.executable,
                "-m",
                "ansible_runner",
                "run",
                "/runner",
                "--playbook",
                f"{playbook}.yml",
                "--ident",
                str(self._jobs),
            ]
        )

    def _more_pythons(self) -> list[str]:
        """Return what the ansible-playbook of another environment needs."""
        found = shutil.which("ansible-playbook", path=self.path)
        python = Path(found or sys.executable).parent / "python"
        return [str(python.parent.parent), str(Path(os.path.realpath(python)).parent.parent)]

    def _shown(self, job: Ended) -> list[str]:
        """Return the secrets that a job has left somewhere, with the place.

        Two kinds of files are allowed to have them, because AWX removes them with the private folder and shows neither:
        ``env``, which AWX has written itself, and ``command``, ansible-runner's record of the environment that it was given.
        (AWX shows that environment with asterisks instead of what credentials put into it.)
        Of a killed job also a module that Ansible copied to its temporary folder, with its options: nobody could remove it.
        """
        places = {"log": job.log}
        for path in job.folder.rglob("*"):
            inside = path.relative_to(job.folder)
            allowed = inside.parts[0] == "env" or path == job.artifacts / "command"
            allowed = allowed or (job.was_killed and path.name.startswith("AnsiballZ_"))
            if path.is_file() and not allowed:
                places[str(inside)] = path.read_bytes().decode("latin-1")
        # JSON and Python write a slash and a quote as they like.
        return [
            f"{needle} in {place}"
            for place, text in places.items()
            for needle in needles_of(self.secrets, self.username)
            if needle in text or needle in text.replace("\\", "")
        ]


def write_project(folder: Path) -> None:
    """Write a project of wrapper playbooks, as AWX requires them: that of docs/awx."""
    kit = ROOT / "docs" / "awx" / "project"
    if kit.exists():
        for path in kit.glob("*.yml"):
            shutil.copy(path, folder)
        return
    for name in PLAYBOOKS:
        wrapper = [{"name": name.capitalize(), "ansible.builtin.import_playbook": f"nec.expether.{name}"}]
        (folder / f"{name}.yml").write_text(yaml.safe_dump(wrapper, sort_keys=False), encoding="utf-8")
