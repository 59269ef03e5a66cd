# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a run waits in total, whatever it waits for. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import sleep


class Patience:
    """The one budget for all waiting of a run: for an EEM that does not respond, and for other runs.

    Only pauses and failed exchanges count. Exchanges that succeed may take as long as they need.

    :ivar seconds_left: how many seconds the run may still wait
    """

    def __init__(self, seconds: float) -> None:
        self.seconds_left = seconds

    def spend(self, seconds: float) -> None:
        """Subtract seconds that were spent in vain."""
        self.seconds_left -= seconds

    def pause(self, seconds: float) -> bool:
        """Sleep; return false, at once, if the budget is too small or a signal ends the run."""
        if seconds > self.seconds_left or not sleep(seconds):
            return False
        self.seconds_left -= seconds
        return True
