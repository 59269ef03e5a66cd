# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fork does that runs a module's own ``main()``: real, and quick, for all is imported already."""

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
    """Have all that is printed from now on in the files ``out`` and ``err`` of a folder."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def end_with(main: t.Callable[[], None], arguments: dict[str, t.Any]) -> t.NoReturn:
    """Run a module, and end this process as the module ends.

    :param arguments: its options, and what Ansible says besides: only what this ansible-core knows is said
    """
    known = {f"_ansible_{name}" for name in basic.PASS_VARS}
    said = {name: value for name, value in arguments.items() if name in known or not name.startswith("_ansible_")}
    status = 0
    try:
        with patch_module_args(said):
            main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - whatever it is must be seen, and must not go on in the fork
        traceback.print_exc()
        status = 71
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
