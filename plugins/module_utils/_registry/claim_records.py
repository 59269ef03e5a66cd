# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typed records of claims. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._registry.fields import (
    Test,
    is_count,
    is_seconds,
    is_string,
    is_text,
    or_none,
    values,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, Body, Kind


class Claim(t.NamedTuple):
    """The claim of one run on a card or group id.

    :ivar run: identifies the run
    :ivar what: describes the run, for the messages of other runs that wait for it
    :ivar until: when the claim expires, as Unix time; `until_uptime` as seconds since the machine booted
    :ivar boot_id: identifies the machine and boot on which the process of the run is
    :ivar pid_namespace: the namespace in which the process has the number `pid`
    :ivar start: when the process started, in clock ticks
    :ivar host: the name of the machine, only for people
    :ivar lock: where the run holds a lock, as `Registry.hold` returns it; `None` if it holds none. Earlier versions write
        none, and ignore it
    """

    run: str
    what: str
    until: float
    until_uptime: float
    boot_id: str | None
    pid_namespace: str | None
    pid: int
    start: str | None
    host: str | None
    lock: str | None = None

    @classmethod
    def from_body(cls, uuid: str, body: t.Any) -> Claim:
        """Return the claim from its part of a document.

        :param uuid: the document's
        :raises NotAsWritten: it is damaged
        """
        found = values("claims", uuid, body, _CLAIM, {"lock": is_text})
        process = values("claims", uuid, body.get("process"), _PROCESS, {"host": is_string})
        return cls(**found, boot_id=process.pop("boot"), pid_namespace=process.pop("space"), **process)

    def to_body(self) -> Body:
        """Return its part of the document."""
        return {
            "run": self.run,
            "what": self.what,
            "until": self.until,
            "until_uptime": self.until_uptime,
            **({"lock": self.lock} if self.lock else {}),
            "process": {
                "boot": self.boot_id,
                "space": self.pid_namespace,
                "pid": self.pid,
                "start": self.start,
                "host": self.host,
            },
        }


_CLAIM: t.Mapping[str, Test] = {"run": is_text, "what": is_text, "until": is_seconds, "until_uptime": is_seconds}
_PROCESS: t.Mapping[str, Test] = {
    "boot": or_none(is_text),
    "space": or_none(is_text),
    "pid": is_count,
    "start": or_none(is_text),
}


class StoredClaims(t.NamedTuple):
    """All claims on cards of one pod manager.

    :ivar uuid: the pod manager's
    :ivar epoch: increases whenever listings that are older must not be used for plans any more
    :ivar held: the claims by card or group id
    """

    uuid: str
    revision: int = NEVER
    epoch: int = 0
    held: t.Mapping[str, Claim] = {}

    @staticmethod
    def kind() -> Kind:
        """Return the kind of its document."""
        return "claims"

    @classmethod
    def from_body(cls, uuid: str, revision: int, body: t.Any) -> StoredClaims:
        """Return the record from the body of a document.

        :raises NotAsWritten: it is damaged
        """
        found = values(cls.kind(), uuid, body, {"epoch": is_count, "held": _is_object})
        held = {key: Claim.from_body(uuid, claim) for key, claim in found["held"].items()}
        return cls(uuid, revision, found["epoch"], held)

    def to_body(self) -> Body:
        """Return the body of its document."""
        return {"epoch": self.epoch, "held": {key: claim.to_body() for key, claim in self.held.items()}}


def _is_object(value: t.Any) -> bool:
    return isinstance(value, dict)
