# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of the registry alone, beside runs that change hardware. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.client import Settings
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.patience import Patience
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import WHOLE_PODM, Claims, lease_of, waited_for
from ansible_collections.nec.expether.plugins.module_utils._model.errors import PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Change, Registry
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written


class Forgetting(t.NamedTuple):
    """What is to be forgotten.

    :ivar podm_id: of which pod manager
    :ivar key: what no other run may hold: a card's id, or C(WHOLE_PODM)
    :ivar what: what is done, for other runs that wait for it
    """

    podm_id: str
    key: str
    what: str


def forget(
    registry: Registry,
    wish: Forgetting,
    settings: Settings,
    changes: t.Callable[[], t.Sequence[Change]] | None,
) -> list[str]:
    """Make changes of the registry when no other run holds what they are about; return what was waited for.

    :param changes: called when nobody holds it; C(None) in check mode
    :raises PlanRefused: another run holds it for longer than the settings have patience
    """
    claims = Claims(registry, wish.podm_id, wish.what, lease_of(settings))
    patience, waited = Patience(settings.patience), []

    def attempt() -> None:
        while True:
            epoch, held = claims.read(clean=changes is not None)
            in_the_way = {key: who for key, who in held.items() if wish.key in (key, WHOLE_PODM)}
            if not in_the_way:
                break
            waited.append(waited_for(in_the_way))
            if not claims.wait_for(in_the_way, patience):
                raise PlanRefused(f"Being changed by another run: {comma_list(sorted(set(in_the_way.values())))}.")
        stop_if_interrupted()
        if changes is not None:
            claims.claim(epoch, [wish.key], changes())

    until_written(attempt)
    if changes is not None:
        claims.release(changed=True)
    return waited
