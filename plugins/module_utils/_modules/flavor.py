# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs expether_flavor and expether_flavor_info. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import check_name, flavor_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_properties, parse_properties
from ansible_collections.nec.expether.plugins.module_utils._registry.records import Flavor
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, now_iso, put, remove
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.documents import flavor_view


def run(context: Context) -> Result:
    """Create, update or remove a flavor."""
    context.require_lasting_registry()
    return until_written(lambda: _attempt(context))


def _attempt(context: Context) -> Result:
    stop_if_interrupted()
    params = context.params
    found = next(iter(find_by_name(context.registry.all(Flavor), params["name"])), None)
    if params["state"] == "absent":
        return _absent(context, found)
    given = params["properties"]
    if given is None and found is None:
        raise InvalidInput(f"Flavor {params['name']!r} does not exist. Set `properties` to create it.")
    properties = normal_properties(given) if found is None or given is not None else found.properties
    requests = parse_properties(properties)
    description = found and found.description if params["description"] is None else params["description"] or None
    before = flavor_view(found) if found else {}
    if found and requests == parse_properties(found.properties) and description == found.description:
        return {"changed": False, "flavor": before, "diff": {"before": before, "after": before}}
    now = now_iso()
    if found:
        flavor = found._replace(description=description, properties=properties, updated_at=now)
    else:
        uuid = flavor_uuid(check_name(params["name"], "flavor"))
        flavor = Flavor(uuid, NEVER, params["name"], description, properties, now, now)
    if not context.check_mode:
        context.registry.commit([put(flavor)])
    after = flavor_view(flavor)
    return {"changed": True, "flavor": after, "diff": {"before": before, "after": after}}


def _absent(context: Context, found: Flavor | None) -> Result:
    if found is None:
        return {"changed": False, "flavor": None, "diff": {"before": {}, "after": {}}}
    before = flavor_view(found)
    if not context.check_mode:
        context.registry.commit([remove(found)])
    return {"changed": True, "flavor": before, "diff": {"before": before, "after": {}}}


def run_info(context: Context) -> Result:
    """List flavors."""
    context.warn_without_lasting_registry()
    flavors = context.registry.all(Flavor)
    wanted: t.Sequence[str] | None = context.params["name"]
    if wanted is not None:
        flavors = list({found.uuid: found for name in wanted for found in find_by_name(flavors, name)}.values())
    flavors.sort(key=lambda flavor: flavor.name.casefold())
    return {"changed": False, "flavors": [flavor_view(flavor) for flavor in flavors]}
