# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which credentials an EEM refused, so that a periodic synchronisation does not lock the account.

EEM's servlet container may lock an account after a few refused passwords [?]. Private to the collection.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.nec.expether.plugins.module_utils._eem.errors import Unauthorized
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._registry.store import TIME_FORMAT, iso_seconds


class CredentialsRefused(Unauthorized):
    """EEM refused the credentials with HTTP 401.

    :ivar mark: identifies the credentials, as `credentials_mark` returns it
    :ivar at: when EEM refused them, as in documents
    :ivar retry_at: when they may be sent again, as in documents; `None` if at once
    """

    def __init__(self, message: str, mark: str, at: str, retry_at: str | None) -> None:
        super().__init__(message)
        self.mark = mark
        self.at = at
        self.retry_at = retry_at


def credentials_mark(password: str | None, settings: Settings) -> str | None:
    """Return what identifies the credentials that a periodic run sends; `None` if it sends none.

    It changes with the URL, the user name, the password and the content of the client certificate's files, whose paths are
    different in each job of AWX. It is a digest of the encrypted password, which is different whenever a password is
    stored, so it reveals nothing about the password. One of a password that is not stored must not be stored either.

    :param password: the stored password, encrypted; if none is stored, the password itself
    """
    if settings.username is None and not settings.client_cert:
        return None
    files = [_digest(path) for path in (settings.client_cert, settings.client_key) if path]
    inputs = [settings.url, settings.username, password, files]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _digest(path: str) -> str | None:
    """Return the digest of a file's content; `None` if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def time_to_retry(at: str, wait: timedelta, now: datetime) -> str | None:
    """Return until when refused credentials are not sent again, as in documents; `None` if they may be sent now.

    :param at: when EEM refused them, as in documents
    """
    refused = datetime.strptime(at, TIME_FORMAT).replace(tzinfo=timezone.utc)
    # A wrong clock may have stored a time in the future.
    return iso_seconds(refused + wait) if refused <= now < refused + wait else None


def refusal_that_lasts(
    settings: Settings, mark: str | None, refused: tuple[str | None, str | None], wait: timedelta, now: datetime
) -> CredentialsRefused | None:
    """Return why credentials are not sent again, or `None` if they may be sent.

    :param mark: identifies the credentials, see `credentials_mark`
    :param refused: the mark of those that EEM refused, and when, as in documents
    """
    refused_mark, at = refused
    if mark is None or mark != refused_mark or at is None:
        return None
    until = time_to_retry(at, wait, now)
    return None if until is None else CredentialsRefused(describe_refusal(settings, at, until), mark, at, until)


def describe_refusal(settings: Settings, at: str, until: str) -> str:
    """Return the message about credentials that are not sent again before a time."""
    who = f"user {settings.username!r}" if settings.username is not None else "the client certificate"
    return (
        f"{settings.url}: EEM does not accept {who} (HTTP 401 at {at}). The same credentials are not sent again before"
        f" {until}. Correct them with expether_podm, or run expether_sync by hand to try them now."
    )
