# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_podm_info does. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, MissingLibrary
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Body, Document
from ansible_collections.nec.expether.plugins.module_utils._results.documents import named, podm_view


def run(context: Context) -> Result:
    """List pod managers as they are remembered, or ask each now."""
    documents = context.registry.all("pod_managers")
    wanted = context.params["name"]
    if wanted is not None:
        documents = list({found.uuid: found for name in wanted for found in named(documents, name)}.values())
    documents.sort(key=lambda document: document.body["name"].casefold())
    if context.params["source"] == "registry" and not context.params["check"]:
        return {"changed": False, "podms": [podm_view(found.uuid, found.body) for found in documents]}
    # Imported here: what only reads the registry does not pay for HTTP.
    from ansible_collections.nec.expether.plugins.module_utils._ansible.target import remembered
    from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
    from ansible_collections.nec.expether.plugins.module_utils._eem.parallel import side_by_side
    from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings

    def settings(document: Document) -> Settings | ExpetherError:
        try:
            return remembered(context, document)
        except MissingLibrary:
            raise
        except ExpetherError as error:
            return error

    known = {document.uuid: settings(document) for document in documents}

    def ask(document: Document) -> Body:
        how = known[document.uuid]
        if isinstance(how, ExpetherError):
            raise how
        with Client(how) as client:
            return {"status": "Online", "api_version": client.api_version(), "last_error": None}

    podms = []
    answers = side_by_side(documents, ask)
    stop_if_interrupted()
    for document, answer in answers:
        now = {"status": "Offline", "last_error": answer.message} if isinstance(answer, ExpetherError) else answer
        podms.append({**podm_view(document.uuid, document.body), **now})
    return {"changed": False, "podms": podms}
