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

`containers` makes the containers.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import os
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
from containers import COLLECTIONS, ROOT, Container
from eemsim.client import Simulator
from jinja2.sandbox import ImmutableSandboxedEnvironment

KIT = ROOT / "docs" / "awx"
#: A user as OpenShift has them: no account, group 0.
UID = 1000660000
#: Where jobs have the volume for the registry.
VOLUME = "/var/lib/expether-registry"
#: What a job is started with: everything is shown.
LOUD = ("-vvvvv", "--diff")

Json = t.Any


class _Dumper(yaml.SafeDumper):
    """Writes variables as AWX does: all text is unsafe, also the names of variables."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


class _Loader(yaml.SafeLoader):
    """Reads the files of docs/awx."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@functools.cache
def kit() -> dict[str, Json]:
    """Return what docs/awx/controller.yml creates in AWX."""
    found: dict[str, Json] = yaml.load((KIT / "controller.yml").read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return found


@dataclasses.dataclass
class Credential:
    """A credential of a type that docs/awx defines.

    :ivar kind: the name of the type
    :ivar inputs: what people enter
    """

    kind: str
    inputs: dict[str, str]

    @property
    def _type(self) -> dict[str, Json]:
        return next(each for each in kit()["controller_credential_types"] if each["name"] == self.kind)

    def secrets(self) -> list[str]:
        """Return the inputs that AWX keeps secret."""
        secret = {field["id"] for field in self._type["inputs"]["fields"] if field.get("secret")}
        return [value for name, value in self.inputs.items() if value and name in secret]

    def inject(self, env_folder: Path) -> dict[str, str]:
        """Write the files of this credential as AWX does, and return what it puts into the environment."""
        fields = {field["id"] for field in self._type["inputs"]["fields"]}
        assert {*self.inputs} <= fields
        injectors, environment = self._type["injectors"], ImmutableSandboxedEnvironment()
        assert {*injectors} <= {"env", "file"}, "extra variables would be shown, and change their type"
        inputs = {name: value for name, value in self.inputs.items() if value}
        names: dict[str, str] = {}
        for label, template in injectors.get("file", {}).items():
            handle, path = tempfile.mkstemp(dir=env_folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(environment.from_string(template).render(inputs))
            names[label.partition(".")[2]] = f"/runner/env/{Path(path).name}"
        inputs["tower"] = {"filename": names}
        return {name: environment.from_string(text).render(inputs) for name, text in injectors["env"].items()}


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

    def __init__(self, folder: Path, number: int, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.number = folder, number
        self._log, self._process = log, process

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

    :ivar credentials: of all job templates
    :ivar volumes: folders of this machine that each job gets, with their paths in the container
    :ivar marks: files that tell that this is a container; AWX's own mark is always there
    :ivar hosts: the inventory, with the variables of each host
    :ivar host: what the job templates set `expether_hosts` to
    :ivar ssh_key: the key of the Machine credential
    :ivar template_variables: further variables of the job templates
    :ivar project_files: further files of the project, and their content
    :ivar artifacts: what the earlier jobs of a workflow have passed on
    :ivar secrets: what no job may show, in addition to the secrets of the credentials
    """

    def __init__(self, folder: Path, uid: int = UID) -> None:
        self.folder, self.uid = folder, uid
        # The session may have chosen another ansible-playbook than that beside this Python.
        self.path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
        self.credentials: dict[str, Credential] = {}
        self.volumes: dict[Path, str] = {}
        self.secrets: list[str] = []
        self.marks = ["/run/.containerenv"]
        # As in docs/awx/settings.yml.
        self.hosts: dict[str, Json] = {
            "localhost": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        }
        self.host = ""
        self.ssh_key = ""
        self.template_variables: dict[str, Json] = {}
        self.project_files: dict[str, str] = {}
        self.artifacts: dict[str, Json] = {}
        self._jobs = 0
        folder.mkdir(exist_ok=True)

    def use(self, eem: Simulator, **inputs: str) -> Credential:
        """Give all job templates the credential of this EEM."""
        known = {"url": eem.url, "username": eem.username or "", "password": eem.password}
        self.credentials["EEM"] = Credential("ExpEther EEM", {**known, **inputs})
        return self.credentials["EEM"]

    def keep_registry_in(self, folder: Path, owner: int | None = None, mode: int = 0o770, **inputs: str) -> None:
        """Give each job a volume for the registry that lasts, and the credential that names it."""
        folder.mkdir(exist_ok=True)
        os.chown(folder, self.uid if owner is None else owner, 0)
        folder.chmod(mode)
        self.volumes[folder] = VOLUME
        known = {"registry": f"sqlite:///{VOLUME}/registry.sqlite3"}
        self.credentials["registry"] = Credential("ExpEther registry", {**known, **inputs})

    def launch(self, playbook: str, *arguments: str, **answers: Json) -> Job:
        """Start a job; questions of the survey without an answer were skipped."""
        self._jobs += 1
        folder = self.folder / f"awx_{self._jobs}"
        self._write_private_folder(folder, playbook, arguments, answers)
        # As the entrypoint of execution environments, which adds an account for SSH.
        accounts = f"runner:x:{self.uid}:0::/runner:/bin/sh\n" if self.ssh_key else ""
        container = Container(
            root=self.folder / "root",
            uid=self.uid,
            environment={
                "PATH": self.path,
                "HOME": "/runner",
                "LC_ALL": "C.UTF-8",
                "EXPETHER_PCI_IDS": str(ROOT / "tests" / "pci.ids"),
            },
            volumes={folder: "/runner", **self.volumes},
            pythons=self._more_pythons(),
            marks=self.marks,
            accounts=accounts,
        )
        command = (sys.executable, "-m", "ansible_runner", "run", "/runner", "--ident", str(self._jobs))
        log = folder.with_suffix(".log")
        process = container.start(folder.with_suffix(".sh"), log, *command, "--playbook", f"{playbook}.yml")
        return Job(folder, self._jobs, log, process)

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
        shutil.copytree(KIT / "project", folder / "project", dirs_exist_ok=True)
        for name, text in self.project_files.items():
            (folder / "project" / name).write_text(text, encoding="utf-8")
        env = {
            "JOB_ID": str(self._jobs),
            "INVENTORY_ID": "1",
            "PROJECT_REVISION": "0" * 40,
            "AWX_HOST": "https://awx.example.com",
            "AWX_PRIVATE_DATA_DIR": f"/var/lib/awx/{folder.name}_x1y2z3",  # of the machine that started the container
            "MAX_EVENT_RES": "700000",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": "/runner/cp",
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:~/.ansible/collections:/usr/share/ansible/collections",
        }
        for credential in self.credentials.values():
            env |= credential.inject(folder / "env")
        (template,) = (each for each in kit()["controller_templates"] if each["playbook"] == f"{playbook}.yml")
        skipped = {each["variable"]: each["default"] for each in template["survey_spec"]["spec"]}
        assert {*answers} <= {*skipped}, "the survey does not ask that"
        trusted = {**dict.fromkeys(template["extra_vars"], self.host), **self.template_variables}
        unsafe = {**skipped, **self.artifacts, **answers}
        # What the job template sets is not asked for. AWX trusts it, and nothing else.
        unsafe = {name: value for name, value in unsafe.items() if name not in trusted}
        variables = yaml.safe_dump({**trusted, "awx_job_id": self._jobs}) + yaml.dump(unsafe, Dumper=_Dumper)
        texts = {
            "envvars": json.dumps(env),
            "extravars": variables,
            "cmdline": shlex.join([*LOUD, *arguments]),
            "passwords": json.dumps({r"SSH password:\s*?$": "", r"BECOME password.*:\s*?$": ""}),
            "settings": json.dumps({"idle_timeout": 0, "job_timeout": 0, "pexpect_timeout": 5}),
        }
        if self.ssh_key:
            texts["ssh_key"] = self.ssh_key
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

    def _more_pythons(self) -> list[str]:
        """Return what the ansible-playbook of another environment needs."""
        program = shutil.which("ansible-playbook", path=self.path)
        assert program, "ansible-playbook is not on PATH"
        python = Path(program).with_name("python")
        return [str(python.parent.parent), str(python.resolve().parent.parent)]

    def _shown(self, job: Ended) -> list[str]:
        """Return the secrets that a job has left somewhere, with the place.

        Two kinds of files are allowed to have them, because AWX removes them with the private folder and shows neither:
        ``env``, which AWX has written itself, and ``command``, ansible-runner's record of the environment that it was given.
        (AWX shows that environment with asterisks instead of what credentials put into it.)
        Of a killed job also a module that Ansible copied to its temporary folder, with its options: nobody could remove it.
        """
        secrets = {*self.secrets, *(secret for each in self.credentials.values() for secret in each.secrets())}
        needles = needles_of(secrets, "admin")
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
            for needle in needles
            if needle in text or needle in text.replace("\\", "")
        ]
