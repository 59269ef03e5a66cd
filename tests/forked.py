# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's own `main()` in a fork. This is real but quick, because everything is already imported."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
import typing as t
from pathlib import Path

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core before 2.19

    @contextlib.contextmanager
    def patch_module_args(args: dict[str, t.Any] | None = None) -> t.Iterator[None]:
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode()
        yield


def redirect(folder: Path) -> None:
    """Redirect all output from now on to the files `out` and `err` of a folder."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def end_with(main: t.Callable[[], None], arguments: dict[str, t.Any]) -> t.NoReturn:
    """Run a module, and exit this process with the module's status.

    :param arguments: its options, and Ansible's own arguments (`_ansible_*`), of which those are left out that this
        ansible-core does not know
    """
    known = {f"_ansible_{name}" for name in basic.PASS_VARS}
    passed = {name: value for name, value in arguments.items() if name in known or not name.startswith("_ansible_")}
    status = 0
    try:
        with patch_module_args(passed):
            main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - every error must be visible, and must not continue in the fork
        traceback.print_exc()
        status = 71
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
