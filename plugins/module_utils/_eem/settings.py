# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach an EEM, and how long a run waits. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import sleep


class Pauses(t.NamedTuple):
    """How many seconds a run pauses before another attempt. Every pause is part of the run's `Patience`.

    :ivar read: before the second attempt of a read; doubled each time
    :ivar longest: maximum before another attempt of a read
    :ivar change: before a change that EEM has not made is sent again
    :ivar listing: between two listings of an EEM that does not list its cards yet
    :ivar plan: before a plan is made again; doubled each time, and varied at random
    :ivar claim: between two reads of the claims of other runs
    :ivar link: before each request while links are waited for, which is not part of the run's `Patience`
    :ivar write: maximum before a change of the registry is decided again because another run was faster
    """

    read: float = 0.5
    longest: float = 8.0
    change: float = 0.5
    listing: float = 1.0
    plan: float = 0.2
    claim: float = 0.2
    link: float = 1.0
    write: float = 0.1


#: How each part of a PEM text begins, and no path.
PEM_BEGIN = "-----BEGIN "


class Settings(t.NamedTuple):
    """How to reach an EEM.

    :ivar url: the base URL without a trailing slash
    :ivar ca_path: a file or directory with the authorities to trust, or the PEM text of their certificates; `None` for the
        default ones
    :ivar client_cert: a PEM file with a chain [nec], which includes its key unless `client_key` is set
    :ivar timeout: seconds for a connection, and for a complete answer
    :ivar retries: how often a read is retried before the run has sent a change, and how often a plan is made again
    :ivar pauses: how long a run pauses before another attempt; not an option of users
    """

    url: str
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    timeout: float = 30.0
    retries: int = 3
    conditional_updates: bool = True
    pauses: Pauses = Pauses()

    @property
    def ca_text(self) -> str | None:
        """The PEM text of the authorities to trust; `None` if they are not set as text."""
        return self.ca_path if self.ca_path is not None and PEM_BEGIN in self.ca_path else None

    @property
    def patience(self) -> float:
        """How many seconds a run waits in total."""
        return self.timeout * (self.retries + 1)


class Patience:
    """The one budget for all waiting of a run: for an EEM that does not respond, and for other runs.

    Only pauses and failed exchanges count. Exchanges that succeed may take as long as they need.

    :ivar seconds_left: how many seconds the run may still wait
    :ivar pauses: how long it pauses before another attempt
    """

    def __init__(self, seconds: float, pauses: Pauses) -> None:
        self.seconds_left, self.pauses = seconds, pauses

    def spend(self, seconds: float) -> None:
        """Subtract seconds that were spent in vain."""
        self.seconds_left -= seconds

    def pause(self, seconds: float) -> bool:
        """Sleep; return false, at once, if the budget is too small or a signal ends the run."""
        if seconds > self.seconds_left or not sleep(seconds):
            return False
        self.seconds_left -= seconds
        return True
