# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of this machine with a systemd of its own, which boots in a second or two and leaves nothing.

Its root is this machine's, below an overlay in memory. It has the network of this machine, its own processes, and none of its services.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from namespaces import NEW

ROOT = Path(__file__).resolve().parents[3]
#: Where the Python of these tests is for services, which do not see /root, and where its libraries are.
PYTHON, LIBRARIES = "/opt/python", "/opt/libraries"
_VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def why_impossible() -> str:
    """Return why this machine has no copies, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    programs = ("systemd-nspawn", "systemctl", "setpriv", "unshare", "nsenter", "ldconfig")
    if missing := [program for program in programs if not shutil.which(program)]:
        return f"needs {', '.join(missing)}, which is not installed"
    if not importlib.util.find_spec("ensurepip"):
        return "needs a Python with ensurepip (Debian: python3-venv)"
    if not _cgroups():
        return "needs a cgroup2 file system"
    test = "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w none /mnt/r"
    if subprocess.run(["unshare", "--mount", "sh", "-c", test], capture_output=True, check=False).returncode:
        return "needs permission to mount, and a root file system that an overlay can have below it"
    return ""


def _cgroups() -> str:
    """Where cgroups of version 2 are mounted."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines())
    return next((place for _device, place, kind, *_more in mounts if kind == "cgroup2"), "")


class Machine:
    """A running copy of this machine, as a context manager.

    :param folder: an empty folder
    :param shared: folders of this machine that it sees, too, and can change
    """

    def __init__(self, folder: Path, *shared: Path) -> None:
        self._folder, self._shared = folder, shared
        self._cgroup = Path(_cgroups(), f"expether-upgrade-{os.getpid()}")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:
        self._cgroup.mkdir()
        libraries = f"{sys.prefix}/lib/{_VERSION}/site-packages"
        read_only = {path: path for path in (str(ROOT), sys.base_prefix, sys.prefix)}
        read_only.update({PYTHON: sys.base_prefix, LIBRARIES: libraries})
        binds = [f"--bind-ro={source}:{place}" for place, source in read_only.items() if not place.startswith("/usr")]
        boot = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"]
        boot += ["--link-journal=no", "--resolv-conf=off", f"--machine={self._cgroup.name}", "--directory=/mnt/root"]
        boot += [*binds, *(f"--bind={path}" for path in self._shared), "systemd.unit=basic.target"]
        script = f"""set -eu
echo $$ >{self._cgroup}/cgroup.procs
mount -t tmpfs -o mode=755 copy /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work copy /mnt/root
rm -rf /mnt/root/etc/systemd/system/*expether* /mnt/root/etc/systemd/system/timers.target.wants /mnt/root/etc/machine-id
: >/mnt/root/etc/machine-id
mkdir -p /mnt/root/etc/ld.so.conf.d
echo {PYTHON}/lib >/mnt/root/etc/ld.so.conf.d/upgrade.conf
exec {shlex.join(boot)}
"""
        with (self._folder / "console.log").open("wb") as log:
            self._process = subprocess.Popen(
                # All of it ends with these tests, also if they are killed.
                [*("setpriv", "--pdeathsig=KILL"), *NEW, "--mount", "--propagation=private", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        try:
            while self.run("systemctl", "is-system-running", "--wait").stdout not in ("running\n", "degraded\n"):
                assert self._process.poll() is None and time.monotonic() < deadline, self._console()
                time.sleep(0.05)
            self.run("ldconfig")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process
        self._process.kill()  # and all of its processes with it: nothing in it is worth an orderly end
        self._process.wait(30)
        shutil.rmtree(f"/run/systemd/nspawn/propagate/{self._cgroup.name}", ignore_errors=True)
        for cgroup in sorted(self._cgroup.rglob("**/"), reverse=True):
            for _time in range(100):
                try:
                    cgroup.rmdir()
                    break
                except OSError:  # its processes are ending
                    time.sleep(0.05)

    def _console(self) -> str:
        return (self._folder / "console.log").read_text(encoding="utf-8", errors="replace")

    def _first(self) -> int | None:
        """Its first process, as a number of this machine; none as long as there is none."""
        found = self._process.pid if self._process else None
        for _generation in ("systemd-nspawn", "systemd"):
            children = Path(f"/proc/{found}/task/{found}/children").read_text(encoding="ascii").split()
            if not children:
                return None
            found = int(children[-1])
        name = Path(f"/proc/{found}/comm").read_text(encoding="ascii")
        return found if name == "systemd\n" else None

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root and with an environment of its own."""
        first = self._first()
        if first is None:
            return subprocess.CompletedProcess(command, 1, "", "it has not booted")
        variables = {"PATH": f"{PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **environment}
        return subprocess.run(
            ["nsenter", f"--target={first}", "--all", *command],
            env=variables,
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def shell(self, script: str) -> list[str]:
        """Run shell commands in it that must succeed, and return the lines that they print."""
        done = self.run("sh", "-euc", script)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.splitlines()


def python_environment(path: str) -> str:
    """Shell commands that make a virtual environment with the libraries of these tests, so that nothing is downloaded."""
    packages = f"{path}/lib/{_VERSION}/site-packages"
    program = f"#!{path}/bin/python\\nimport sys\\nfrom ansible.cli.playbook import main\\nsys.exit(main())\\n"
    return f"""{PYTHON}/bin/python3 -m venv --without-pip {path}
echo {LIBRARIES} >{packages}/libraries.pth
ln -s {LIBRARIES}/ansible {packages}/ansible
printf '{program}' >{path}/bin/ansible-playbook
chmod +x {path}/bin/ansible-playbook
"""
