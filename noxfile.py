# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All tests and checks; TESTING.md describes them. Tags are the targets of `make`.

The output of each session goes to .ansible/log/SESSION.log; if the session fails, the end of it is printed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

import nox
from nox.command import CommandFailed

ROOT = Path(__file__).resolve().parent
STATE = ROOT / ".ansible"
LOGS = STATE / "log"
SECONDS = 1800  # the time limit of a session
TAIL_LINES = 40
RUN_AGAIN = 5  # the most failed tests of a session that are run again
MODULE_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")

if os.environ.get("VIRTUAL_ENV") != str(ROOT / ".venv"):  # a nox of the user: prepare the environment, and use its nox
    os.execv(ROOT / "tests/tools/in_env.sh", ["in_env.sh", "dev", "nox", *sys.argv[1:]])

nox.options.envdir = str(STATE / "nox")
nox.options.default_venv_backend = "none"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.tags = ["test"]

# pyenv's shims may exist without their Pythons; use its Pythons themselves.
_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
_path = [entry for entry in os.environ["PATH"].split(os.pathsep) if not entry.rstrip("/").endswith("/shims")]
os.environ["PATH"] = os.pathsep.join(
    dict.fromkeys([*_path, *(str(_pyenv / path.name / "bin") for path in sorted(_pyenv.glob("3.*")))])
)
# End the commands of a session, too, when nox is stopped.
for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.default_int_handler)


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
        return ".".join(self.version.split(".")[:2]) if self.pip else f"python{self.python}"

    @property
    def python(self) -> str:
        return next((version for version in self.pythons if shutil.which(f"python{version}")), self.pythons[0])

    @property
    def bin(self) -> Path:
        return STATE / "nox" / f"env-{self.name.replace('.', '-')}" / "bin"

    def env(self, session: nox.Session) -> dict[str, str]:
        """Return the variables for commands in this core's environment. Skip the session if there is none."""
        if not (self.bin / "ansible").exists():
            session.skip(
                f"ansible-core {self.version} needs Python {' or '.join(self.pythons)}, which is not installed"
            )
        return {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(self.bin.parent)}


CORES = (
    Core("2.16.19", ("3.11", "3.12", "3.10"), "23.1.2", "constraints-oldest.txt", ("oldest.txt", "pytest.txt")),
    Core("2.17.14", ("3.11", "3.12", "3.10"), "23.1.2"),
    Core("2.18.19", ("3.11", "3.12", "3.13"), "24.2"),
    Core("2.19.14", ("3.11", "3.12", "3.13"), "24.2"),
    Core("2.20.10", ("3.12", "3.13", "3.14"), "25.2"),
    Core("2.21.5", ("3.13", "3.12", "3.14"), "25.2"),
    Core("2.22.0rc1", ("3.13", "3.14"), "25.2"),  # a release candidate: not supported yet, but no test may fail with it
)
OWN = next(core for core in CORES if core.name == "2.19")  # that of .venv: tests/requirements/core.txt
# Not supported on the controller. Only its collection loader is used, for unit tests on the oldest Python of managed hosts.
OLDEST_PYTHON = Core("2.15.13", ("3.9",), "", "python39.txt", ("python39.txt",))


def run(
    session: nox.Session,
    *command: str,
    env: t.Mapping[str, str] | None = None,
    seconds: int = SECONDS,
    name: str | None = None,
) -> None:
    """Run a session's command with a time limit. Its output goes to the log; if it fails, the end of it is printed."""
    log_file = LOGS / f"{name or session.name}.log"
    try:
        with log_file.open("w", encoding="utf-8") as log:
            session.run("timeout", "--kill-after=10", str(seconds), *command, env=env, stdout=log, external=True)
    except CommandFailed as exc:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        # ansible-test marks the important lines.
        shown = [line for line in lines if line.startswith(("ERROR: ", "FATAL: "))][:TAIL_LINES] or lines[-TAIL_LINES:]
        if exc.return_code in (124, 137):
            shown.append(f"Stopped after {seconds} seconds.")
        print(
            *(f"    | {line}" for line in shown),
            f"    complete log: {log_file.relative_to(ROOT)}",
            sep="\n",
            flush=True,
        )
        raise


def pytest(
    session: nox.Session,
    *arguments: str,
    python: str = "python",
    env: t.Mapping[str, str] | None = None,
    workers: int = 2,
) -> None:
    """Run tests; tests/tools/check.py counts them.

    Two workers need both cores. A session without workers should allow another one beside it: then no core is idle while
    the last test runs, and tests are collected once and not in each worker.

    A few tests that fail are run again, one at a time: what fails only beside others says more about the machine than
    about the collection. check.py names them, whatever comes of it.
    """
    cache = ROOT / ".ansible/cache/pytest" / session.name

    def tests(name: str, *more: str) -> None:
        report = f"--junitxml={LOGS / name}.xml"
        command = (python, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", report, *more, *arguments)
        run(session, *command, env=env, name=name)

    try:
        tests(session.name, "-n", str(workers))
    except CommandFailed as exc:
        failed = cache / "v/cache/lastfailed"
        if exc.return_code != 1 or not failed.exists() or len(json.loads(failed.read_bytes())) > RUN_AGAIN:
            raise
        tests(f"{session.name}-again", "-n", "0", "--last-failed", "--last-failed-no-failures=none")


def step(name: str, tags: t.Sequence[str], *command: str) -> None:
    """Define a session that is one command, and may run beside another one."""

    @nox.session(name=name, tags=tags, allow_parallel=True)
    def one_command(session: nox.Session) -> None:
        run(session, *command)


# -- make test --------------------------------------------------------------------------------------------------

LINT, PACKAGE = ("lint", "test"), ("package", "test", "release")
_scripts = sorted(
    str(path.relative_to(ROOT)) for pattern in ("tests/tools/*.sh", "roles/*/files/*.sh") for path in ROOT.glob(pattern)
)
_tools = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/tools").glob("*.py"))
step("ansible-lint", LINT, "ansible-lint", "--offline")
step(
    "mypy",
    LINT,
    "env",
    "--chdir=.ansible/collections",
    "mypy",
    "--config-file",
    str(ROOT / "pyproject.toml"),
    "-p",
    "ansible_collections.nec.expether.plugins.module_utils",
    "-m",
    "ansible_collections.nec.expether.extensions.eda.plugins.event_source.expether",
)
step("mypy-tools", LINT, "mypy", "--config-file", "pyproject.toml", "noxfile.py", *_tools)
step("ruff", LINT, "ruff", "check", ".")
step("format", LINT, "ruff", "format", "--check", ".")
step("returns", LINT, "python", "tests/tools/returns.py", "--check")
step("awx-kit", LINT, "python", "tests/tools/awx_kit.py", "--check")
step("shellcheck", LINT, "shellcheck", ".ci/run", *_scripts)
step(
    "docs-lint",
    (*LINT, "docs", "release"),
    "antsibull-docs",
    "lint-collection-docs",
    "--plugin-docs",
    "--validate-collection-refs",
    "self",
    "--check-extra-docs-refs",
    ".",
)
step("changelog", (*LINT, "release"), "python", "tests/tools/release.py", "changelog")
step("build", PACKAGE, "python", "tests/tools/package.py", "build")
step("install", PACKAGE, "python", "tests/tools/package.py", "install")
step("execution-env", PACKAGE, "python", "tests/tools/package.py", "builder")


@nox.session(name="galaxy-importer", tags=PACKAGE, venv_backend="virtualenv", allow_parallel=True)
def galaxy_importer(session: nox.Session) -> None:
    """Galaxy's checks for uploads, in an environment of its own, because they need an older attrs than nox."""
    requirements = Path("tests/requirements")
    pins = session.env_dir / "constraints.txt"
    pins.write_text(
        re.sub(r"(?m)^attrs==.*\n", "", (requirements / "constraints.txt").read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    constraints = (
        f"-c{path}" for path in (pins, *(requirements / f"{name}.txt" for name in ("core", "demo", "checks")))
    )
    session.install("-r", "tests/requirements/importer.txt", *constraints)
    run(session, "python", "tests/tools/package.py", "importer")


@nox.session(tags=["unit", "test"], allow_parallel=True)
def unit(session: nox.Session) -> None:
    """Unit tests."""
    pytest(session, "tests/unit", workers=0)


@nox.session(tags=["integration", "test"])
def integration(session: nox.Session) -> None:
    """Simulator, library and modules over real HTTP."""
    pytest(
        session,
        "tests/integration",
        "--ignore=tests/integration/awx",
        "--ignore=tests/integration/report",
        "--ignore=tests/integration/eda/test_rulebooks.py",
        "--ignore=tests/integration/netbox",
    )


@nox.session(tags=["release"])
def upgrade(session: nox.Session) -> None:
    """The upgrade from version 0.1.0, which is also part of integration."""
    pytest(session, "tests/integration/upgrade")


@nox.session(tags=["integration", "test"], allow_parallel=True)
def report(session: nox.Session) -> None:
    """The report in a browser. Its reports are written once, so one process runs all tests."""
    programs = ("chromium", "chromium-browser", "google-chrome")
    if not any(map(shutil.which, programs)):
        session.skip(f"needs {programs[0]}, which is not installed")
    run(session, "python", "-m", "pytest", "-q", f"--junitxml={LOGS / session.name}.xml", "tests/integration/report")


@nox.session(tags=["awx", "test"])
def awx(session: nox.Session) -> None:
    """Playbooks as jobs of AWX run them."""
    pytest(session, "tests/integration/awx", "-m", "not long")


@nox.session(name="chaos-unit", tags=["chaos", "test"], allow_parallel=True)
def chaos_unit(session: nox.Session) -> None:
    """Tests of chaos itself."""
    pytest(session, "tests/chaos", workers=0)


def last_line(session: nox.Session) -> None:
    """Print the last line of a session's log."""
    session.log((LOGS / f"{session.name}.log").read_text(encoding="utf-8").splitlines()[-1])


def seed_option() -> str:
    """Return the option with SEED from the environment, or with a random seed."""
    return f"--seed={os.environ.get('SEED') or random.SystemRandom().randrange(10**6)}"


def campaign(session: nox.Session, seconds: int, registry: str = "sqlite") -> None:
    """Play chaos with SEED and EPISODES from the environment, or a random seed and this many seconds."""
    episodes = os.environ.get("EPISODES")
    length = f"--episodes={episodes}" if episodes else f"--seconds={seconds}"
    options = (seed_option(), length, f"--registry={registry}")
    run(session, "python", "tests/chaos/run.py", *options, seconds=SECONDS + 10 * int(episodes or 0))
    last_line(session)


@nox.session(tags=["chaos", "test"])
def chaos(session: nox.Session) -> None:
    """A short campaign of random plays."""
    campaign(session, 45)


def chaos_on(server: str) -> None:
    """Define the sessions with registries on a server that they start."""

    def skip_without_server(session: nox.Session) -> None:
        reason = str(session.run("python", "tests/chaos/place.py", server, silent=True, log=False)).strip()
        if reason:
            session.skip(reason)

    @nox.session(name=f"chaos-{server}", tags=["chaos", "test"])
    def plays(session: nox.Session) -> None:
        """A short campaign of random plays."""
        skip_without_server(session)
        campaign(session, 20, server)

    @nox.session(name=f"sweep-{server}", tags=["chaos", "test"], allow_parallel=True)
    def sample(session: nox.Session) -> None:
        """A sample of the sweep, another one with each seed."""
        skip_without_server(session)
        options = ("--sample=6", "--every=80", "--workers=1", seed_option())
        run(session, "python", "tests/chaos/sweep.py", *options, f"--registry={server}")
        last_line(session)


for _server in ("postgresql", "etcd"):
    chaos_on(_server)


@nox.session(tags=["sweep"])
def sweep(session: nox.Session) -> None:
    """Each operation with each fault and each kill; chaos-unit plays a part of it."""
    run(session, "python", "tests/chaos/sweep.py", seconds=2 * SECONDS)
    last_line(session)


# -- make release-check, with the sessions above and below that have its tag --------------------------------------

step("release", ("release",), "python", "tests/tools/release.py", "check")


# -- make thorough ----------------------------------------------------------------------------------------------


@nox.session(name="chaos-long", tags=["thorough"])
def chaos_long(session: nox.Session) -> None:
    """A long campaign of random plays."""
    campaign(session, 300)


@nox.session(name="awx-long", tags=["awx-long"])
def awx_long(session: nox.Session) -> None:
    """Jobs that are killed at each of their requests."""
    pytest(session, "tests/integration/awx", "-m", "long")


@nox.session(tags=["docs", "thorough", "release"], allow_parallel=True)
def docs(session: nox.Session) -> None:
    """The documentation site, which the last line names."""
    run(session, "python", "tests/tools/docs.py")
    last_line(session)


@nox.session(tags=["thorough"], venv_backend="virtualenv", allow_parallel=True)
def eda(session: nox.Session) -> None:
    """The sample rulebooks, with ansible-rulebook in an environment of its own."""
    if not shutil.which("java"):
        session.skip("needs java (Debian: default-jre-headless), which is not installed")
    files = (f"-rtests/requirements/{name}.txt" for name in ("core", "demo", "eda"))
    session.install(*files, "-ctests/requirements/constraints.txt")
    program = Path(session.bin, "ansible-rulebook")
    env = {"EXPETHER_ANSIBLE_RULEBOOK": str(program)}
    pytest(
        session, "tests/integration/eda/test_rulebooks.py", python=str(ROOT / ".venv/bin/python"), env=env, workers=0
    )


@nox.session(tags=["thorough"], allow_parallel=True)
def netbox(session: nox.Session) -> None:
    """The playbook for NetBox, with the modules of netbox.netbox, against a stand-in for NetBox."""
    pins = Path("tests/requirements/netbox.txt")
    folder = STATE / "netbox" / hashlib.sha256(pins.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        wheels, new = folder.with_suffix(".wheels"), folder.with_suffix(".new")
        try:
            # Not installed, because that would unpack 60,000 files of other collections.
            session.run(
                "python", "-m", "pip", "download", "--quiet", "--no-deps", f"-r{pins}", f"-d{wheels}", silent=True
            )
        except CommandFailed:
            session.skip("the package index does not have the packages in tests/requirements/netbox.txt")
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if name.startswith("ansible_collections/netbox/netbox/")]
                archive.extractall(new if names else new / "python", names or None)
        shutil.rmtree(wheels)
        new.rename(folder)
    command = ("python", "-m", "pytest", "-q", f"--junitxml={LOGS / session.name}.xml", "tests/integration/netbox")
    run(session, *command, *session.posargs, env={"EXPETHER_NETBOX": str(folder)})


@nox.session(tags=["bench", "thorough"], allow_parallel=True)
def bench(session: nox.Session) -> None:
    """The cost of modules."""
    run(session, "python", "tests/benchmarks/run.py")


@nox.session(tags=["molecule", "thorough"], allow_parallel=True)
def molecule(session: nox.Session) -> None:
    """The roles on separate machines, which are stopped and removed afterwards."""
    programs = ("mmdebstrap", "systemd-nspawn", "ip", "ssh", "ssh-keygen", "start-stop-daemon", "xargs")
    missing = [program for program in programs if not shutil.which(program)]
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.append("debian-archive-keyring")
    if os.geteuid() != 0:
        session.skip("needs root")
    if missing:
        session.skip(f"needs {', '.join(missing)}, which is not installed")
    if (
        subprocess.run(
            ["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        ).returncode
        != 0
    ):
        session.skip("needs permission to mount and to create network namespaces")
    try:
        run(session, "molecule", "test", "--scenario-name", "sync", seconds=2 * SECONDS)
        run(session, "molecule", "test", "--scenario-name", "pci_hotplug")
    finally:
        if (STATE / "molecule" / "run").exists():  # it was interrupted
            session.run("molecule", "destroy", "--scenario-name", "sync", silent=True)


def sanity(session: nox.Session, core: Core, *arguments: str) -> None:
    """Run ansible-test sanity without an ignore file, in a copy of the checkout and with a home directory for its environments.

    Parallel runs must not share that directory. It drops most environment variables, so pip's settings are linked.
    """
    home = STATE / "home" / session.name
    env = {**core.env(session), "HOME": str(home)}
    home.mkdir(parents=True, exist_ok=True)
    for entry in (".cache", ".config", ".pip"):
        real, link = Path.home() / entry, home / entry
        if real.exists() and not link.is_symlink() and not link.exists():
            link.symlink_to(real)
    session.run(str(ROOT / ".venv/bin/python"), "tests/tools/prime_pip.py", core.pip, env=env, silent=True)
    tree = str(session.run("tests/tools/copy_tree.sh", session.name, silent=True)).strip()
    # ansible-test of a release candidate needs pylint's libraries from GitHub, which is not a package index.
    skipped = ("--skip-test", "pylint") if "rc" in core.version else ()
    # The tests are two thirds of the code, and run in a checkout, so it is enough to check them with its ansible-core.
    tests = () if core == OWN else ("--exclude", "tests/")
    run(
        session,
        "env",
        f"--chdir={tree}",
        "ansible-test",
        "sanity",
        "--local",
        "--color",
        "no",
        *skipped,
        *tests,
        *arguments,
        env=env,
    )


def sessions_with(core: Core) -> None:
    """Define the sessions of one ansible-core, in an environment of its own."""
    versions, env = ["versions", "thorough"], f"env-{core.name}"
    tested = ["versions"] if core == OWN else versions  # make test runs the same tests with it

    @nox.session(name=env, python=core.python, venv_backend="virtualenv", tags=versions, allow_parallel=True)
    def create(session: nox.Session) -> None:
        """Its environment."""
        with session.chdir("tests/requirements"):
            session.install(
                f"ansible-core=={core.version}", *(f"-r{name}" for name in core.requirements), f"-c{core.constraints}"
            )

    @nox.session(name=f"unit-{core.name}", tags=tested, requires=[env], allow_parallel=True)
    def unit_tests(session: nox.Session) -> None:
        """Unit tests with it."""
        pytest(session, "tests/unit", env=core.env(session), workers=0)

    if core == OLDEST_PYTHON:
        return

    @nox.session(name=f"smoke-{core.name}", tags=tested, requires=[env])
    def smoke(session: nox.Session) -> None:
        """Module tests marked smoke with it."""
        folders = ("tests/integration/modules", "tests/integration/inventory_plugin")
        # Variables and templates differ with the oldest core, and before and after 2.19. Only the oldest one runs modules with
        # a Python that they refuse themselves.
        slow = (
            "test_documented_examples.py",
            "test_playbook_answers.py",
            "test_playbook_hosts.py",
            "test_playbook_report.py",
            "test_python_libraries.py",
            "test_role_variables.py",
        )
        skipped = () if core in (CORES[0], CORES[2], OWN, CORES[-1]) else slow
        pytest(
            session,
            *folders,
            "-m",
            "smoke",
            *(f"--ignore={folders[0]}/{name}" for name in skipped),
            env=core.env(session),
        )

    if core in (CORES[0], CORES[-2]):

        @nox.session(name=f"awx-{core.name}", tags=versions, requires=[env], allow_parallel=True)
        def jobs(session: nox.Session) -> None:
            """Jobs of AWX with it, which run it with the ansible-runner of .venv."""
            pytest(
                session,
                "tests/integration/awx",
                "-m",
                "smoke",
                python=str(ROOT / ".venv/bin/python"),
                env=core.env(session),
                workers=0,
            )

    @nox.session(
        name=f"sanity-{core.name}",
        tags=[*versions, *(["sanity", "release"] if core == OWN else [])],
        requires=[env],
        allow_parallel=True,
    )
    def all_sanity(session: nox.Session) -> None:
        """All its sanity tests, on its own Python."""
        sanity(session, core, "--python", core.python)

    @nox.session(name=f"install-{core.name}", tags=versions, requires=[env], allow_parallel=True)
    def install(session: nox.Session) -> None:
        """Installation of tarball and checkout with it."""
        run(session, "python", "tests/tools/package.py", "install", env=core.env(session))


for _core in (*CORES, OLDEST_PYTHON):
    sessions_with(_core)


def sanity_on(version: str) -> None:
    """Define the session of one of the Pythons that the modules support."""

    @nox.session(
        name=f"sanity-python{version}",
        tags=["sanity", "thorough", "release"],
        requires=[f"env-{OWN.name}"],
        allow_parallel=True,
    )
    def imports(session: nox.Session) -> None:
        """Compile and import tests on this Python."""
        if not shutil.which(f"python{version}"):
            session.skip(f"needs Python {version}, which is not installed")
        sanity(session, OWN, "--python", version, "--test", "compile", "--test", "import")


for _version in MODULE_PYTHONS:
    sanity_on(_version)
