#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What another layout of the library costs each task: size and start time of five modules, beside those of a git revision.

Ansible sends a module with all that it imports in one file, which the host compiles anew each time. Both versions are
packed by Ansible itself and run by turns, with options that end a task before it does anything. A ratio of times is the
median of the ratios of two runs that followed each other, so that a busy machine slows both. The exit status is 1 if a
ratio is over the limit.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1.05
#: Options that are refused before any file or EEM is looked at.
REFUSED: dict[str, object] = {"url": "ftp://none"}
MODULES: dict[str, dict[str, object]] = {
    "node": {**REFUSED, "name": "n", "properties": {"pci_device": {"type": ["GPU"]}}},
    "device_attach": {**REFUSED, "node": "n", "devices": ["0x8cdf9d000001"]},
    "device_info": REFUSED,
    "podm": {**REFUSED, "name": "rack1"},
    "sync": {"timeout": 0},
}


class Start(NamedTuple):
    """What one run of a payload took, in seconds."""

    wall: float
    cpu: float


def unpack(revision: str | None, folder: Path) -> Path:
    """Put a revision, or the checkout as it is, where Ansible finds it as a collection; return the folder of collections."""
    place = folder / "ansible_collections" / "nec" / "expether"
    place.mkdir(parents=True)
    if revision is None:
        shutil.copytree(ROOT / "plugins", place / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("galaxy.yml", "meta"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, place / name)
        return folder
    command = ["git", "-C", str(ROOT), "archive", revision, "plugins", "galaxy.yml", "meta"]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(place)], input=archive, check=True)
    return folder


def pack(collections: Path, module: str, options: dict[str, object], place: Path) -> Path:
    """Have Ansible pack a module, and return the file that it sends."""
    place.mkdir(parents=True)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_KEEP_REMOTE_FILES": "1",
        "ANSIBLE_REMOTE_TMP": str(place),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    }
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-c", "local"]
    command += ["-m", f"nec.expether.expether_{module}", "-a", json.dumps(options)]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = list(place.glob("*/AnsiballZ_*.py"))
    if len(found) != 1 or '"kind": "invalid"' not in done.stdout:
        raise SystemExit(
            f"{module} could not be packed, or did more than refuse its options:\n{done.stdout}{done.stderr}"
        )
    return found[0]


def library_files(payload: Path) -> dict[str, int]:
    """Return the files of the library in a payload, with the bytes that each takes there."""
    longest = max(re.findall(r"[A-Za-z0-9+/=]{1000,}", payload.read_text(encoding="utf-8")), key=len)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(longest))) as found:
        library = [each for each in found.infolist() if "/expether/plugins/module_utils/" in each.filename]
    return {each.filename.partition("module_utils/")[2]: each.compress_size for each in library}


def start(payload: Path) -> Start:
    """Run a payload once."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(payload)], stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 1:
        raise SystemExit(f"{payload} ended with {process.returncode} instead of refusing its options")
    return Start(wall, usage.ru_utime + usage.ru_stime)


def measure(payloads: tuple[Path, Path], runs: int) -> tuple[list[Start], list[Start]]:
    """Return the runs of both payloads; they take turns, and each goes first as often as the other."""
    found: tuple[list[Start], list[Start]] = ([], [])
    for number in range(runs + 1):  # the first fills caches and does not count
        for place in (0, 1) if number % 2 else (1, 0):
            once = start(payloads[place])
            if number:
                found[place].append(once)
    return found


def main() -> int:
    """Measure, print, and return whether a ratio is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("revision", help="the git revision to compare the checkout with")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--files", action="store_true", help="also print what of the library each module has, in bytes")
    arguments = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="expether-payloads-") as scratch:
        folder = Path(scratch)
        both = (unpack(arguments.revision, folder / "then"), unpack(None, folder / "now"))
        print(f"Now beside {arguments.revision}; medians of {arguments.runs} runs of each.\n")
        print(f"{'module':<16}{'bytes':>16}{'ratio':>8}{'start, ms':>14}{'ratio':>8}{'CPU, ms':>14}{'ratio':>8}")
        for module, options in MODULES.items():
            then, now = (pack(each, module, options, folder / each.name / module) for each in both)
            sizes = (then.stat().st_size, now.stat().st_size)
            runs = measure((then, now), arguments.runs)
            line = f"{module:<16}  {sizes[0]:7}{sizes[1]:7}{sizes[1] / sizes[0]:8.3f}"
            ratios = [sizes[1] / sizes[0]]
            for what in ("wall", "cpu"):
                pairs = [(getattr(one, what), getattr(other, what)) for one, other in zip(*runs)]
                medians = [statistics.median(each) * 1000 for each in zip(*pairs)]
                ratios.append(statistics.median(other / one for one, other in pairs))
                line += f"  {medians[0]:6.0f}{medians[1]:6.0f}{ratios[-1]:8.3f}"
            worst = max(worst, *ratios)
            print(line, flush=True)
            if arguments.files:
                for name, size in sorted(library_files(now).items(), key=lambda each: -each[1]):
                    print(f"    {size:6} {name}")
                print(f"    {sum(library_files(then).values())} then, {sum(library_files(now).values())} now")
    print(f"\nThe worst ratio is {worst:.3f}, {'within' if worst <= LIMIT else 'OVER'} {LIMIT:g}.")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
