#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tests and checks step by step, and count the results: `check.py all`, or one or more targets.

The Makefile calls this in tests/tools/in_env.sh. The output of each step goes to .ansible/log/STEP.log; if a step fails,
the end of it is printed. Each test of a pytest step counts, any other step counts as one. A step that cannot run on this
machine prints the reason and counts as skipped.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".ansible"
LOGS = STATE / "log"
TOOLS = ROOT / "tests" / "tools"
TARBALLS = STATE / "package"
STEP_SECONDS = 1800
TAIL_LINES = 40
WORKERS = "2"
MODULE_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


@dataclasses.dataclass(frozen=True)
class Core:
    """An ansible-core, its Pythons (the first one that is installed is used), the pip for its ansible-test, and its libraries."""

    version: str
    pythons: tuple[str, ...]
    pip: str
    constraints: str = "constraints.txt"
    requirements: tuple[str, ...] = ("demo.txt", "pytest.txt")

    @property
    def name(self) -> str:
        return ".".join(self.version.split(".")[:2])


CORES = (
    Core("2.17.14", ("3.11", "3.12", "3.10"), "23.1.2", "constraints-oldest.txt", ("oldest.txt", "pytest.txt")),
    Core("2.18.19", ("3.11", "3.12", "3.13"), "24.2"),
    Core("2.19.14", ("3.11", "3.12", "3.13"), "24.2"),
    Core("2.20.10", ("3.12", "3.13", "3.14"), "25.2"),
    Core("2.21.5", ("3.13", "3.12", "3.14"), "25.2"),
    Core("2.22.0rc1", ("3.13", "3.14"), "25.2"),  # a release candidate: not supported yet, but no test may fail with it
)
# Not supported on the controller. Only its collection loader is used, for unit tests on the oldest Python of managed hosts.
OLDEST_PYTHON = Core("2.15.13", ("3.9",), "", "python39.txt", ("python39.txt",))


@dataclasses.dataclass(frozen=True)
class Step:
    """One command. With `junit`, its tests are counted from that file. With `skip`, it is not run, for that reason.

    With `summary`, the last line of its output is printed with the outcome, and more of it if it fails. It is stopped
    after this many `seconds`.
    """

    name: str
    command: tuple[str, ...] = ()
    cwd: Path = ROOT
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    junit: Path | None = None
    skip: str = ""
    summary: bool = False
    seconds: float = STEP_SECONDS


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a step."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    note: str = ""

    def line(self) -> str:
        word = "FAILED" if self.failed else "ok" if self.passed else "skipped"
        counts = ", ".join(f"{number} {word}" for number, word in
                           ((self.passed, "passed"), (self.failed, "failed"), (self.skipped, "skipped")) if number)
        return f"{word:<8}{self.seconds:4.0f} s  {self.name:<20} {self.note or counts}"


# -- the machine ------------------------------------------------------------------------------------------------


@functools.cache
def find_python(version: str) -> str | None:
    """Return the path of that Python, or None. Each candidate is run, because a pyenv shim may exist without its Python."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [f"python{version}", *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True))]
    for candidate in candidates:
        script = "import os, sys; print(os.path.realpath(sys.executable), '%d.%d' % sys.version_info[:2])"
        try:
            answer = subprocess.run([candidate, "-c", script], capture_output=True, text=True, check=True).stdout.split()
        except (OSError, subprocess.CalledProcessError):
            continue
        if answer[1:] == [version]:
            return answer[0]
    return None


def ansible_test_home(name: str) -> Path:
    """Return a home directory for ansible-test's environments, which parallel runs must not share.

    It drops most environment variables, so pip's settings are linked.
    """
    home = STATE / "home" / name
    home.mkdir(parents=True, exist_ok=True)
    for entry in (".cache", ".config", ".pip"):
        real, link = Path.home() / entry, home / entry
        if real.exists() and not link.is_symlink() and not link.exists():
            link.symlink_to(real)
    return home


def ansible_test_env(name: str, first: Path) -> dict[str, str]:
    """Return the environment for ansible-test: real Pythons instead of pyenv's shims on PATH."""
    pythons = [str(Path(python).parent) for version in MODULE_PYTHONS if (python := find_python(version))]
    rest = [entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.rstrip("/").endswith("/shims")]
    return {"HOME": str(ansible_test_home(name)), "PATH": os.pathsep.join([str(first), *dict.fromkeys([*rest, *pythons])])}


# -- running ----------------------------------------------------------------------------------------------------

running: set[subprocess.Popen[bytes]] = set()


def run_command(step: Step, log: t.BinaryIO) -> int:
    """Run a step's command in its own process group, so that all of it can be stopped after its time limit."""
    environment = {**os.environ, **step.env}
    try:
        process = subprocess.Popen(step.command, cwd=step.cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True)
    except OSError as exc:
        log.write(f"{exc}\n".encode())
        return 127
    running.add(process)
    try:
        return process.wait(step.seconds)
    except subprocess.TimeoutExpired:
        end(process)
        log.write(f"\nStopped after {step.seconds:g} seconds.\n".encode())
        return 124
    finally:
        running.discard(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a step's process group: with SIGTERM, then with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def count(junit: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped."""
    if not junit.exists():
        return 0, 0, 0
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    root = ElementTree.parse(junit).getroot()  # noqa: S314 - pytest wrote it
    for suite in root.iter("testsuite"):
        for key in totals:
            totals[key] += int(suite.get(key, 0))
    failed = totals["failures"] + totals["errors"]
    return max(0, totals["tests"] - failed - totals["skipped"]), failed, totals["skipped"]


def run(step: Step) -> Outcome:
    """Run a step and print its line. If it fails, also print the end of its output."""
    if step.skip:
        outcome = Outcome(step.name, 0, 0, 1, 0, step.skip)
        print(outcome.line(), flush=True)
        return outcome
    if step.junit:
        step.junit.unlink(missing_ok=True)
    start = time.monotonic()
    log_file = LOGS / f"{step.name}.log"
    with log_file.open("wb") as log:
        status = run_command(step, log)
    passed, failed, skipped = count(step.junit) if step.junit else (int(status == 0), 0, 0)
    if status != 0 and not failed:
        failed = 1  # it failed outside its tests, or is not a pytest step
    elif status == 0 and not passed and not skipped:
        failed = 1  # a pytest step without any tests
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    note = lines[-1] if step.summary and lines else ""
    outcome = Outcome(step.name, passed, failed, skipped, time.monotonic() - start, note)
    message = outcome.line()
    if failed:
        # ansible-test marks the important lines.
        shown = [line for line in lines if line.startswith(("ERROR: ", "FATAL: "))][:TAIL_LINES]
        shown = shown or lines[-TAIL_LINES * (10 if step.summary else 1):]
        message += "".join(f"\n    | {line}" for line in shown) + f"\n    complete log: {log_file.relative_to(ROOT)}"
    print(message, flush=True)
    return outcome


def run_all(steps: t.Iterable[Step]) -> list[Outcome]:
    return [run(step) for step in steps]


# -- targets ----------------------------------------------------------------------------------------------------


def pytest_step(name: str, python: str, *arguments: str) -> Step:
    junit = LOGS / f"{name}.xml"
    command = (python, "-m", "pytest", "-q", "-n", WORKERS, f"--junitxml={junit}", *arguments)
    return Step(name, command, junit=junit)


def sanity_step(core: Core, tools: Path, python: str | None) -> Step:
    """ansible-test sanity without an ignore file, on one Python or on all installed ones."""
    name = f"sanity-{core.name}"
    script = 'set -e; "$0" "$1" "$2"; cd "$("$3" "$4")"; shift 4; exec "$@"'
    prepare = (sys.executable, str(TOOLS / "prime_pip.py"), core.pip, str(TOOLS / "copy_tree.sh"), name)
    # ansible-test of a release candidate needs pylint's libraries from GitHub, which is not a package index.
    skipped = ("--skip-test", "pylint") if "rc" in core.version else ()
    command = (str(tools / "ansible-test"), "sanity", "--local", "--color", "no", *skipped, *(("--python", python) if python else ()))
    return Step(name, ("bash", "-c", script, *prepare, *command), env=ansible_test_env(core.name, tools))


def own_core() -> Core:
    """Return the ansible-core of .venv."""
    text = subprocess.run(["ansible", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"core (\d+\.\d+\.\d+)", text)
    return next(core for core in CORES if found and core.version == found[1])


def unit() -> list[Outcome]:
    return run_all([pytest_step("unit", sys.executable, "tests/unit")])


def integration() -> list[Outcome]:
    return run_all([pytest_step("integration", sys.executable, "tests/integration")])


def chaos() -> list[Outcome]:
    """The tests of chaos itself, then a campaign, with SEED and EPISODES from the environment or a random seed and a time limit."""
    seed, episodes = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6)), os.environ.get("EPISODES")
    print(f"chaos: SEED={seed}" + (f" EPISODES={episodes}" if episodes else ""), flush=True)
    limit = STEP_SECONDS + 10 * int(episodes or 0)
    command = (sys.executable, "tests/chaos/run.py", f"--seed={seed}", *((f"--episodes={episodes}",) if episodes else ()))
    return run_all([pytest_step("chaos-unit", sys.executable, "tests/chaos"), Step("chaos", command, summary=True, seconds=limit)])


def no_machines() -> str:
    """Return why no machine can be booted here, or an empty string."""
    if os.geteuid() != 0:
        return "the role on a real systemd: needs root"
    programs = ("mmdebstrap", "systemd-nspawn", "ip", "ssh", "ssh-keygen", "start-stop-daemon", "xargs")
    missing = [program for program in programs if not shutil.which(program)]
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.append("debian-archive-keyring")
    if missing:
        return f"the role on a real systemd: needs {', '.join(missing)}, which is not installed"
    probe = subprocess.run(["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "the role on a real systemd: needs permission to mount and to create network namespaces"


def molecule() -> list[Outcome]:
    """The role on separate machines, which are stopped and removed afterwards."""
    outcomes = run_all([Step("molecule", ("molecule", "test", "--scenario-name", "sync"), skip=no_machines(), seconds=2 * STEP_SECONDS)])
    if (STATE / "molecule" / "run").exists():  # it was interrupted
        outcomes.append(run(Step("molecule-destroy", ("molecule", "destroy", "--scenario-name", "sync"))))
    return outcomes


def bench() -> list[Outcome]:
    return run_all([Step("bench", (sys.executable, "tests/benchmarks/run.py"))])


def lint() -> list[Outcome]:
    scripts = sorted(map(str, [*TOOLS.glob("*.sh"), *ROOT.glob("roles/*/files/*.sh")]))
    library = ("mypy", "--config-file", str(ROOT / "pyproject.toml"), "-p", "ansible_collections.nec.expether.plugins.module_utils")
    return run_all([
        Step("ruff", ("ruff", "check", ".")),
        Step("returns", (sys.executable, str(TOOLS / "returns.py"), "--check")),
        Step("mypy", library, cwd=STATE / "collections"),
        Step("mypy-tools", ("mypy", "--config-file", "pyproject.toml", *sorted(map(str, TOOLS.glob("*.py"))))),
        Step("shellcheck", ("shellcheck", ".ci/run", *scripts)),
        Step("ansible-lint", ("ansible-lint", "--offline")),
        Step("changelog", ("antsibull-changelog", "lint")),
    ]) + docs()


def docs() -> list[Outcome]:
    """The documentation of plugins and guides, and its references; the site, which the last line names."""
    check = ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", "--check-extra-docs-refs", ".")
    return run_all([
        Step("docs-lint", check),
        Step("docs", (sys.executable, str(TOOLS / "docs.py")), summary=True),
    ])


def missing_pythons() -> list[Outcome]:
    """Report the Pythons that ansible-test sanity skips because they are not installed."""
    missing = [version for version in MODULE_PYTHONS if not find_python(version)]
    return run_all(Step(f"sanity-python{version}", skip=f"compile and import tests on Python {version}, which is not installed") for version in missing)


def sanity() -> list[Outcome]:
    core = own_core()
    return missing_pythons() + run_all([sanity_step(core, Path(sys.executable).parent, None)])


def in_lanes(lanes: t.Sequence[t.Iterable[Step]]) -> list[Outcome]:
    """Run lists of steps, two lists in parallel."""
    with ThreadPoolExecutor(int(WORKERS)) as pool:
        return [outcome for outcomes in pool.map(run_all, lanes) for outcome in outcomes]


@dataclasses.dataclass(frozen=True)
class Row:
    """An ansible-core in its own environment: one row of the version matrix."""

    core: Core
    python: str

    @property
    def folder(self) -> Path:
        return STATE / "venvs" / f"{self.core.name}-python{self.python}"

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(self.folder)}

    def make(self) -> Step:
        command = (str(TOOLS / "core_venv.sh"), str(self.folder), str(find_python(self.python)), self.core.version)
        return Step(f"venv-{self.core.name}", (*command, self.core.constraints, *self.core.requirements))

    def tests(self) -> list[Step]:
        python = str(self.folder / "bin" / "python")
        if self.core == OLDEST_PYTHON:
            steps = [pytest_step(f"unit-python{self.python}", python, "tests/unit")]
        else:
            steps = [pytest_step(f"unit-{self.core.name}", python, "tests/unit"),
                     pytest_step(f"smoke-{self.core.name}", python, "tests/integration/modules", "-m", "smoke")]
        return [dataclasses.replace(step, env=self.env) for step in steps]

    def checks(self, own: Core) -> list[Step]:
        if self.core == OLDEST_PYTHON:
            return []
        python = None if self.core == own else self.python
        command = (str(self.folder / "bin" / "python"), str(TOOLS / "package.py"), "install", str(TARBALLS))
        return [sanity_step(self.core, self.folder / "bin", python),
                Step(f"install-{self.core.name}", command, env=self.env)]


def versions() -> list[Outcome]:
    """Run environments, sanity and installation two at a time. Tests with servers and time limits run alone."""
    rows, outcomes, own = [], [run(build_step())], own_core()
    for core in (*CORES, OLDEST_PYTHON):
        python = next((version for version in core.pythons if find_python(version)), None)
        if python:
            rows.append(Row(core, python))
        else:
            what = "unit tests on the oldest Python" if core == OLDEST_PYTHON else f"ansible-core {core.version}"
            outcomes.append(run(Step(f"core-{core.name}", skip=f"{what}: needs Python {' or '.join(core.pythons)}, which is not installed")))
    outcomes += missing_pythons()
    made = in_lanes([[row.make()] for row in rows])
    ready = [row for row, outcome in zip(rows, made) if not outcome.failed]
    outcomes += made
    outcomes += run_all(step for row in ready for step in row.tests())
    return outcomes + in_lanes([row.checks(own) for row in ready])


def build_step() -> Step:
    return Step("build", (sys.executable, str(TOOLS / "package.py"), "build", str(TARBALLS)))


def package() -> list[Outcome]:
    return run_all([build_step(), *package_steps()])


def package_steps() -> list[Step]:
    command = (sys.executable, str(TOOLS / "package.py"))
    return [
        Step("install", (*command, "install", str(TARBALLS))),
        Step("galaxy-importer", (*command, "importer", str(TARBALLS))),
        Step("execution-env", (*command, "builder")),
    ]


def everything() -> list[Outcome]:
    """Run everything. The matrix includes sanity with .venv's ansible-core. Timed steps run alone."""
    outcomes = [*unit(), *lint(), *integration(), *chaos(), *bench(), *molecule(), *versions()]
    return outcomes + run_all(package_steps())


TARGETS: dict[str, t.Callable[[], list[Outcome]]] = {
    "unit": unit, "lint": lint, "docs": docs, "sanity": sanity, "integration": integration, "chaos": chaos, "bench": bench,
    "molecule": molecule, "versions": versions, "package": package, "all": everything,
}


def interrupted(number: int, dummy: object) -> t.NoReturn:
    for process in list(running):
        end(process)
    print("Interrupted.", flush=True)
    os._exit(128 + number)


def main() -> int:
    """Run the targets; return an exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS))
    targets = parser.parse_args().targets
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    outcomes = [outcome for target in targets for outcome in TARGETS[target]()]
    print(f"\nSeconds per step, {time.monotonic() - start:.0f} in total:")
    for outcome in outcomes:
        print(outcome.line())
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"\n{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed, {sum(outcome.skipped for outcome in outcomes)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
