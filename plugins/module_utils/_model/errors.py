# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that all packages share. Private to the collection."""

from __future__ import annotations

import typing as t


class ExpetherError(Exception):
    """A failure with a message for the user.

    :ivar kind: the sort of failure, for programs
    :ivar code: EEM's five-digit code, if EEM sent one
    :ivar http_status: the HTTP status, if there was an answer
    :ivar url: the requested URL without credentials, if there was a request
    :ivar details: further keys for the result's `failure`
    :ivar changed: whether something was or may have been changed; `None` if nothing was begun
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
        """Return the `failure` of a module's result."""
        return {
            "kind": self.kind,
            "code": self.code,
            "http_status": self.http_status,
            "message": self.message,
            "url": self.url,
            **self.details,
        }


class InvalidInput(ExpetherError):
    """The options of the task are not valid."""

    kind = "invalid"


class NotFound(ExpetherError):
    """A pod manager, node, system, device or flavor of that name does not exist."""

    kind = "not_found"


class NotStored(NotFound):
    """The registry has no pod manager, node or flavor of that name; an earlier task may be what creates it."""


class MissingLibrary(ExpetherError):
    """A Python library is not installed on the host where the module runs, or is too old.

    :ivar error: why it could not be imported; `None` if it is too old
    """

    kind = "missing_library"

    def __init__(self, library: str, error: Exception | None, message: str | None = None) -> None:
        super().__init__(message or f"The Python library {library} is missing.")
        self.library = library
        self.error = error


class PlanRefused(ExpetherError):
    """The request cannot be met; nothing was changed.

    :ivar blocked_by: what is claimed by other runs and blocks this request, so that waiting may help: the id of a card
        or group, and who claimed it
    """

    kind = "refused"

    def __init__(self, message: str, *, blocked_by: t.Mapping[str, str] | None = None, **more: t.Any) -> None:
        super().__init__(message, **more)
        self.blocked_by = dict(blocked_by or {})


def innermost(error: BaseException) -> BaseException:
    """Return the error that is wrapped innermost, as libraries for HTTP wrap those of the system."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        inner = inner or error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error
