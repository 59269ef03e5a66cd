# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that is in use, made by the modules themselves; each run of a module gets a copy of it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import typing as t
from contextlib import closing, contextmanager
from pathlib import Path

from eemsim.client import Simulator
from forks import Forks, Options, Report
from module_fuzz import check, placed

NAME = "registry.sqlite3"
Document = tuple[str, str, t.Any]


class Known:
    """The registry, and what is in it."""

    def __init__(self, forks: Forks, eem: Simulator, folder: Path) -> None:
        self._forks, self.eem, self._folder = forks, eem, folder
        eem.reset()
        way = {"url": eem.url, "username": eem.username, "password": eem.password}
        self._must("expether_podm", name="rack1", **way)
        self._must("expether_flavor", name="gpu", properties={"devices": [{"type": "GPU"}]})
        self._must("expether_node", name="train", podm="rack1", flavor="gpu")
        self.cards = eem.cards()
        with closing(sqlite3.connect(folder / NAME)) as database:
            rows = database.execute("SELECT kind, uuid, body FROM documents ORDER BY kind, uuid").fetchall()
        self.documents: list[Document] = [(kind, uuid, json.loads(body)) for kind, uuid, body in rows]
        self.names = ["rack1", "gpu", "train", *sorted(self.cards), *(uuid for _kind, uuid, _body in self.documents)]

    def _must(self, module: str, **arguments: t.Any) -> None:
        report = self._forks.run(module, arguments, self._environment(self._folder))
        assert not check(report, ()).get("failed"), report

    @staticmethod
    def _environment(folder: Path) -> dict[str, str]:
        return {"EXPETHER_REGISTRY": f"sqlite:///{folder / NAME}", "HOME": str(folder), "XDG_STATE_HOME": str(folder)}

    @contextmanager
    def copy(self) -> t.Iterator[Path]:
        """A folder with a copy of the registry; the simulator is as it was when the registry was made."""
        self.eem.reset(devices=list(self.cards.values()))
        with tempfile.TemporaryDirectory(prefix="expether-fuzz-") as name:
            shutil.copytree(self._folder, name, dirs_exist_ok=True)
            yield Path(name)

    def run(
        self, module: str, arguments: Options, folder: Path, environment: t.Mapping[str, str] | None = None
    ) -> Report:
        return self._forks.run(module, placed(arguments, folder), {**self._environment(folder), **(environment or {})})


def overwrite(folder: Path, kind: str, uuid: str, body: t.Any) -> None:
    """Write a document as nobody would; ``None`` is written as JSON's null."""
    with closing(sqlite3.connect(folder / NAME, isolation_level=None)) as database:
        database.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, 1, ?)", (kind, uuid, json.dumps(body)))
