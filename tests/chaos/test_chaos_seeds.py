# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Episodes that once violated an invariant do not do so again, and a part of the sweep finds nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
SEEDS = [each["seed"] for each in yaml.safe_load((HERE / "seeds.yml").read_text(encoding="utf-8"))]


def _output(*arguments: str) -> str:
    """Run a program in a process without threads, which must not fork."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=HERE, capture_output=True, text=True, check=False, timeout=1500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", SEEDS)
def test_an_episode_that_once_failed_keeps_all_promises(seed: int) -> None:
    output = _output("run.py", f"--seed={seed}", "--episodes=1")
    assert output.splitlines()[-1].startswith(f"SEED={seed}: 1 episodes") and output.endswith(" 0 violations\n")


def test_a_part_of_the_sweep_keeps_all_promises() -> None:
    output = _output("sweep.py", "--every=200", "--workers=1")
    cases, violated = (int(word) for word in output.splitlines()[-1].split() if word.isdigit())
    assert cases > 50 and violated == 0
