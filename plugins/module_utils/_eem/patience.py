# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a run waits in all, whatever it waits for. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import sleep


class Pauses(t.NamedTuple):
    """Seconds of the pauses of a run, each of which costs patience.

    :ivar read: before the second attempt of a read; doubled each time
    :ivar longest: maximum before another attempt of a read
    :ivar change: before a change that EEM has not made is sent again
    :ivar listing: between two listings of an EEM that does not list its cards yet
    :ivar plan: before a plan is made again; doubled each time, and made longer or shorter by chance
    :ivar claim: between two reads of the claims of other runs
    """

    read: float = 0.5
    longest: float = 8.0
    change: float = 0.5
    listing: float = 1.0
    plan: float = 0.2
    claim: float = 0.2


class Patience:
    """The one measure of a run's waiting: for an EEM that does not answer, and for other runs.

    What counts is waiting, which is pauses and exchanges that failed. What EEM answers takes as long as it takes.

    :ivar left: seconds that the run still waits
    :ivar pauses: how long it pauses for what
    """

    def __init__(self, seconds: float, pauses: Pauses) -> None:
        self.left, self.pauses = seconds, pauses

    def lose(self, seconds: float) -> None:
        """Count seconds that have gone by in vain."""
        self.left -= seconds

    def pause(self, seconds: float) -> bool:
        """Sleep, and return whether it did: not when so much patience is not left, nor when a signal ends the run."""
        if seconds > self.left or not sleep(seconds):
            return False
        self.left -= seconds
        return True
