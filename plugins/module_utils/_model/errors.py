# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that all layers share. Private to the collection."""

from __future__ import annotations

import typing as t


class ExpetherError(Exception):
    """Something that a user must be told, in a sentence.

    :ivar kind: a word for machines: what sort of failure this is
    :ivar code: EEM's five-digit code, where EEM gave one
    :ivar http_status: the HTTP status, where there was an answer
    :ivar url: what was asked, without credentials, where something was asked
    :ivar details: further keys for the result's C(failure)
    :ivar changed: whether something is changed now, or may be; C(None) if nothing was begun
    """

    kind = "error"
    changed: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        http_status: int | None = None,
        url: str | None = None,
        details: dict[str, t.Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http_status = http_status
        self.url = url
        self.details = details or {}

    def as_failure(self) -> dict[str, t.Any]:
        """Return the C(failure) of a module's result."""
        return {
            "kind": self.kind,
            "code": self.code,
            "http_status": self.http_status,
            "message": self.message,
            "url": self.url,
            **self.details,
        }


class InvalidInput(ExpetherError):
    """What the task says cannot be meant."""

    kind = "invalid"


class NotFound(ExpetherError):
    """A pod manager, node, system, device or flavor of that name is not there."""

    kind = "not_found"


class MissingLibrary(ExpetherError):
    """A Python library is not installed where the module runs, or is too old.

    :ivar error: why it could not be imported; C(None) if it is too old
    """

    kind = "missing_library"

    def __init__(self, library: str, error: Exception | None, message: str | None = None) -> None:
        super().__init__(message or f"The Python library {library} is missing.")
        self.library = library
        self.error = error


class PlanRefused(ExpetherError):
    """What was asked cannot be had; nothing has been changed.

    :ivar blocked_by: what another run holds at the moment and what stood in the way, so that
        waiting may help: a card's id or a group id, and who holds it
    """

    kind = "refused"

    def __init__(self, message: str, *, blocked_by: t.Mapping[str, str] | None = None, **more: t.Any) -> None:
        super().__init__(message, **more)
        self.blocked_by = dict(blocked_by or {})


