# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_flavor and expether_flavor_info do. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import check_name, flavor_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, Change, Document, now_iso
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.documents import flavor_view, named


def run(context: Context) -> Result:
    """Bring a flavor to what the task says."""
    return until_written(lambda: _attempt(context))


def _attempt(context: Context) -> Result:
    stop_if_interrupted()
    params = context.params
    found = next(iter(named(context.registry.all("flavors"), params["name"])), None)
    if params["state"] == "absent":
        return _absent(context, found)
    before = flavor_view(found.uuid, found.body) if found else None
    given = params["properties"]
    if given is None and before is None:
        raise InvalidInput(f"Flavor {params['name']!r} does not exist. Set `properties` to create it.")
    properties = normal_properties(given) if before is None or given is not None else before["properties"]
    requests = parse_properties(properties)
    description = (before or {}).get("description") if params["description"] is None else params["description"] or None
    if before and requests == parse_properties(before["properties"]) and description == before["description"]:
        return {"changed": False, "flavor": before, "diff": {"before": before, "after": before}}
    now = now_iso()
    uuid = found.uuid if found else flavor_uuid(check_name(params["name"], "flavor"))
    body = {
        "name": found.body["name"] if found else params["name"],
        "description": description,
        "properties": properties,
        "created_at": found.body["created_at"] if found else now,
        "updated_at": now,
    }
    after = flavor_view(uuid, body)
    if not context.check_mode:
        context.registry.commit([Change("flavors", uuid, body, found.revision if found else NEVER)])
    return {"changed": True, "flavor": after, "diff": {"before": before or {}, "after": after}}


def _absent(context: Context, found: Document | None) -> Result:
    if found is None:
        return {"changed": False, "flavor": None, "diff": {"before": {}, "after": {}}}
    before = flavor_view(found.uuid, found.body)
    if not context.check_mode:
        context.registry.commit([Change("flavors", found.uuid, None, found.revision)])
    return {"changed": True, "flavor": before, "diff": {"before": before, "after": {}}}


def run_info(context: Context) -> Result:
    """List flavors."""
    documents = context.registry.all("flavors")
    wanted: t.Sequence[str] | None = context.params["name"]
    if wanted is not None:
        documents = list({found.uuid: found for name in wanted for found in named(documents, name)}.values())
    flavors = [flavor_view(document.uuid, document.body) for document in documents]
    return {"changed": False, "flavors": sorted(flavors, key=lambda flavor: flavor["name"].casefold())}
