# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a run waits in all, whatever it waits for. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import sleep


class Patience:
    """The one measure of a run's waiting: for an EEM that does not answer, and for other runs.

    What counts is waiting, which is pauses and exchanges that failed. What EEM answers takes as long as it takes.

    :ivar seconds_left: seconds that the run still waits
    """

    def __init__(self, seconds: float) -> None:
        self.seconds_left = seconds

    def spend(self, seconds: float) -> None:
        """Count seconds that have gone by in vain."""
        self.seconds_left -= seconds

    def pause(self, seconds: float) -> bool:
        """Sleep, and return whether it did: not when so much patience is not left, nor when a signal ends the run."""
        if seconds > self.seconds_left or not sleep(seconds):
            return False
        self.seconds_left -= seconds
        return True
