# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task did: its requests, and the registry's files before and after it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pathlib
import typing as t
import urllib.request


def ask(method: str, url: str, body: t.Any = None) -> t.Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return json.load(answer)


class Traces:
    """Looks at simulators and files around one task after the other.

    :param controls: URLs of the simulators' controls
    :param folder: where the registries are
    """

    def __init__(self, controls: t.Sequence[str], folder: str | pathlib.Path) -> None:
        self._controls, self._folder = controls, pathlib.Path(folder)
        self._before: dict[str, str] = {}

    def begin(self, orders: t.Iterable[t.Sequence[t.Any]]) -> None:
        """Carry out the orders before a task, and record the state before it."""
        for order in orders:
            ask(*order)
        self._before = self._files()
        for control in self._controls:
            ask("DELETE", f"{control}/log")

    def seen(self) -> dict[str, t.Any]:
        """Return what the task did: its requests, and the files before and after it."""
        wire = [request for control in self._controls for request in ask("GET", f"{control}/log")]
        return {"wire": wire, "before": self._before, "after": self._files()}

    def _files(self) -> dict[str, str]:
        """Return the files in the registries' folder with hashes of their content."""
        found = {}
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            with contextlib.suppress(FileNotFoundError):  # SQLite removes its files when another process closes them
                found[str(path.relative_to(self._folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found
