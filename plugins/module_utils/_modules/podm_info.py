# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs expether_podm_info. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import podm_name
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View
from ansible_collections.nec.expether.plugins.module_utils._results.documents import podm_view


def run(context: Context) -> Result:
    """List pod managers as stored, or with their current state."""
    context.warn_without_lasting_registry()
    podms = context.registry.all(PodManager)
    wanted, only = context.params["name"], podm_name(context)
    if wanted is None and only is not None:
        wanted = [only]
    if wanted is not None:
        podms = list({found.uuid: found for name in wanted for found in find_by_name(podms, name)}.values())
    podms.sort(key=lambda podm: podm.name.casefold())
    if context.params["source"] == "registry" and not context.params["check"]:
        return {"changed": False, "podms": [podm_view(podm) for podm in podms]}
    # Imported here, because reading the registry does not need HTTP.
    from ansible_collections.nec.expether.plugins.module_utils._ansible.target import settings_or_error
    from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
    from ansible_collections.nec.expether.plugins.module_utils._eem.parallel import side_by_side

    reach = {podm.uuid: settings_or_error(context, podm) for podm in podms}

    def ask(podm: PodManager) -> View:
        to_eem = reach[podm.uuid]
        if isinstance(to_eem, ExpetherError):
            raise to_eem
        with Client(to_eem) as client:
            return {"status": "Online", "api_version": client.api_version(), "last_error": None}

    shown = []
    answers = side_by_side(podms, ask)
    stop_if_interrupted()
    for podm, answer in answers:
        now = {"status": "Offline", "last_error": answer.message} if isinstance(answer, ExpetherError) else answer
        shown.append({**podm_view(podm), **now})
    return {"changed": False, "podms": shown}
