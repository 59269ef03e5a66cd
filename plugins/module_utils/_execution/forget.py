# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of the registry only, coordinated with runs that change hardware. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Patience, Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import (
    WHOLE_PODM,
    Claims,
    lease_of,
    waited_for,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, Registry
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written


class Forgetting(t.NamedTuple):
    """What to forget.

    :ivar podm_id: the UUID of the pod manager
    :ivar key: what no other run may have claimed: the id of a card, or `WHOLE_PODM`
    :ivar what: what is done, for messages of other runs that wait for it
    """

    podm_id: str
    key: str
    what: str


def forget(
    registry: Registry,
    request: Forgetting,
    settings: Settings,
    changes: t.Callable[[], t.Sequence[Change]] | None,
) -> list[str]:
    """Change the registry when no other run claims what is changed; return what was waited for, as sentences.

    :param changes: returns the changes, called when no other run has a claim; `None` in check mode
    :raises PlanRefused: another run keeps its claim for longer than the settings allow to wait
    """
    claims = Claims(registry, request.podm_id, request.what, lease_of(settings), settings.pauses.write)
    patience, waited = Patience(settings.patience, settings.pauses), []

    def attempt() -> None:
        while True:
            epoch, claimed_by_others = claims.read(clean=changes is not None)
            blocked_by = {key: who for key, who in claimed_by_others.items() if request.key in (key, WHOLE_PODM)}
            if not blocked_by:
                break
            waited.append(waited_for(blocked_by))
            if not claims.wait_for(blocked_by, patience):
                runs = comma_list(sorted(set(blocked_by.values())))
                raise PlanRefused(f"Blocked by another run: {runs}. Run the task again when it has ended.")
        stop_if_interrupted()
        if changes is not None:
            claims.claim(epoch, [request.key], changes())

    until_written(attempt, pause=settings.pauses.write)
    if changes is not None:
        claims.release(changed=True)
    return waited
