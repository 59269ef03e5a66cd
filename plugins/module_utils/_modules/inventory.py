# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the hosts of the inventory plugin: nodes, and other systems. Private to the collection."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import CONNECTION, REGISTRY, ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import podm_option
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    NotFound,
    PlanRefused,
)
from ansible_collections.nec.expether.plugins.module_utils._model.names import name_key
from ansible_collections.nec.expether.plugins.module_utils._modules.info import stored_nodes
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import TIME_FORMAT, now_iso
from ansible_collections.nec.expether.plugins.module_utils._results.cards import NODE_KEYS, View
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._ansible.target import Target
    from ansible_collections.nec.expether.plugins.module_utils._modules.listings import Listing

PREFIX = "expether_"  # of all variables
SPEC = ArgSpec({name: option for name, option in CONNECTION.options.items() if name != "conditional_updates"}).merged(
    REGISTRY,
    ArgSpec(
        {
            "podms": {"type": "list", "elements": "str", "aliases": ["podm"]},
            "source": {"type": "str", "choices": ["live", "registry"], "default": "live"},
            "include_systems": {"type": "bool", "default": False},
            "require_all": {"type": "bool", "default": False},
        },
        mutually_exclusive=(("podms", "url"),),
    ),
)

#: Names that mean the controller itself.
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Host(t.NamedTuple):
    """A host of the inventory.

    :ivar variables: with their prefix
    """

    name: str
    variables: dict[str, t.Any]


class Entries(t.Protocol):
    """Keeps values of JSON between runs: a cache plugin."""

    def get(self, key: str) -> t.Any:
        """Return the value of a key; `None` if there is none that can be read."""

    def __setitem__(self, key: str, value: t.Any) -> None:
        """Keep a value."""


class Listed(t.NamedTuple):
    """What a complete answer of an EEM contained.

    :ivar at: when it was asked, as in results
    :ivar views: its hosts, with the keys of a node
    """

    at: str
    views: list[View]


class HostCache:
    """The last complete answer of each EEM. Nothing else is kept, so that an EEM that fails keeps its hosts.

    :param prefix: of its keys; differs for each inventory source
    :param max_age: for how many seconds no request is needed; 0 for ever
    :param refresh: whether all EEMs are asked, whatever was kept
    """

    def __init__(self, entries: Entries, prefix: str, max_age: float, refresh: bool) -> None:
        self._entries, self._prefix, self._max_age, self._refresh = entries, prefix, max_age, refresh

    def fresh(self, key: str) -> Listed | None:
        """Return a kept answer if it can be used instead of a request."""
        kept = None if self._refresh else self.last(key)
        if kept is None or not self._max_age:
            return kept
        asked = datetime.strptime(kept.at, TIME_FORMAT).replace(tzinfo=timezone.utc)
        age = (datetime.now(timezone.utc) - asked).total_seconds()
        return kept if 0 <= age <= self._max_age else None

    def last(self, key: str) -> Listed | None:
        """Return a kept answer, however old it is; `None` if there is none of this version."""
        kept = self._entries.get(self._prefix + key)
        try:
            found = Listed(kept["at"], kept["hosts"])
            datetime.strptime(found.at, TIME_FORMAT)
            is_usable = all({*view} == {*NODE_KEYS} and isinstance(view["index"], str) for view in found.views)
        except (KeyError, TypeError, ValueError):
            return None
        return found if is_usable else None

    def keep(self, key: str, listed: Listed) -> None:
        """Keep a complete answer."""
        self._entries[self._prefix + key] = {"at": listed.at, "hosts": listed.views}


def find_hosts(context: Context, cache: HostCache | None, groups: t.Iterable[str]) -> list[Host]:
    """Return the hosts of an inventory source.

    :param groups: the groups that the inventory has already: a host must not have the name of one
    :raises ExpetherError: no EEM could be asked, or not all if all are required; an option is invalid; or all nodes are
        required, and the registry is one that a job's container has just created
    """
    params = context.params
    if params["require_all"] and not params["include_systems"]:
        context.require_lasting_registry()
    context.warn_without_lasting_registry()
    if params["source"] == "live":
        views, stored = _live_nodes(context, cache)
    elif params["include_systems"]:
        raise InvalidInput("`include_systems` requires `source: live`, because the registry does not store systems.")
    else:
        views, stored = _nodes_in_registry(context), []
    names, renamed = host_names(views, stored, groups)
    context.warn(renamed)
    return [
        Host(name, {PREFIX + key: value for key, value in view.items()})
        for name, view in sorted(zip(names, context.masked(views)), key=lambda pair: name_key(pair[0]))
    ]


def _nodes_in_registry(context: Context) -> list[View]:
    podms = context.params["podms"]
    if podms is None:
        only = podm_option(context)
        wanted = None if only is None else {only}
        if only is None and not context.registry.all(PodManager):
            _report_empty_registry(context)
    else:
        wanted = {find_podm(context.registry, name).uuid for name in podms}
    return stored_nodes(
        context, None, lambda nodes: [node.node() for node in nodes if wanted is None or node.podm_id in wanted]
    )


def _report_empty_registry(context: Context) -> None:
    """Warn that no pod manager is registered, or refuse: a registry that is missing must not remove all hosts somewhere.

    :raises NotFound: all hosts are required
    """
    message = f"No pod manager is registered in {context.registry.path}."
    if context.params["require_all"]:
        raise NotFound(f"{message} Register one with expether_podm, or correct `registry`.")
    context.warn([message])


def _live_nodes(context: Context, cache: HostCache | None) -> tuple[list[View], list[StoredNode]]:
    """Return the hosts that the EEMs list, and the stored nodes of the same pod managers.

    :raises ExpetherError: as `find_hosts`
    """
    # Imported here, because reading the registry does not need HTTP.
    from ansible_collections.nec.expether.plugins.module_utils._ansible.target import targets
    from ansible_collections.nec.expether.plugins.module_utils._modules.listings import list_fabrics

    include_systems = context.params["include_systems"]
    wheres = targets(context, context.params["podms"])
    if not wheres and context.params["podms"] is None:
        _report_empty_registry(context)
    # Answers with and without systems are kept side by side.
    keys = {where.podm_id: f"{'systems' if include_systems else 'nodes'}_{where.podm_id}" for where in wheres}
    found = {podm_id: cache.fresh(key) if cache else None for podm_id, key in keys.items()}
    asked = [where for where in wheres if found[where.podm_id] is None]
    at = now_iso()
    errors: list[ExpetherError] = []
    complaints: list[str] = []
    for where, (identified, listing) in zip(asked, list_fabrics(context, asked)):
        podm, key = where.podm or where.settings.url, keys[where.podm_id]
        last = cache.last(key) if cache else None
        views: list[View] | ExpetherError
        if isinstance(listing, ExpetherError):
            views = listing
        elif _is_incomplete(identified, listing, last):
            views = PlanRefused("EEM lists no cards, although it had some before. It may have just started.")
        else:
            views = _views(listing, include_systems)
        if not isinstance(views, ExpetherError):
            found[where.podm_id] = listed = Listed(at, context.masked(views))
            if cache:
                cache.keep(key, listed)
            continue
        complaint = f"Pod manager {podm} could not be asked: {views.message}"
        if last is None:
            errors.append(views)
            complaints.append(complaint)
        else:
            found[where.podm_id] = last
            context.warn([complaint, f"Pod manager {podm} has the hosts that it had at {last.at}."])
    if errors and (context.params["require_all"] or len(errors) == len(wheres)):
        context.warn(complaints[1:])
        raise errors[0]
    context.warn(complaints)
    stored = [node for where in wheres if where.registry for node in where.registry.of_podm(StoredNode, where.podm_id)]
    return [view for answer in found.values() if answer for view in answer.views], stored


def _is_incomplete(where: Target, listing: Listing, last: Listed | None) -> bool:
    """Whether an EEM lists nothing although it has cards, as one does that has just started.

    :param last: its last complete answer, if that is kept
    """
    if listing.fabric.systems or listing.fabric.devices:
        return False
    if listing.nodes or (last and last.views):
        return True
    return where.registry is not None and bool(where.registry.of_podm(StoredDevice, where.podm_id))


def _views(listing: Listing, include_systems: bool) -> list[View]:
    """Return the hosts of an EEM."""
    fabric, views = listing.fabric, listing.views
    shown = [views.node(fabric, node.node()) for node in listing.nodes]
    if include_systems:
        taken = {node.system_id for node in listing.nodes}
        shown += [
            views.system_without_node(fabric, system) for system in fabric.systems.values() if system.id not in taken
        ]
    return shown


def host_names(
    views: t.Sequence[View], stored: t.Iterable[StoredNode], groups: t.Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the names of hosts, and warnings about those that are called otherwise than their nodes.

    A host has the name of its node, or the EEM id of a system that is not a node, as `clean` makes it. Where that is not
    unique, or is the name of a group or of this machine, it has the name of its pod manager before it, and where that is
    not unique either, it is the EEM id. Stored nodes count even if their EEM fails now: a name must not pass to another
    node because of that.
    """
    bases = {_identity(view["podm_id"], view["uuid"], view["index"]): _base(view) for view in views}
    known = {**{_identity(node.podm_id, node.uuid, node.system_id): clean(node.name) for node in stored}, **bases}
    uses = Counter(name_key(name) for name in known.values())
    qualified = [clean(f"{view['podm'] or 'expether'}-{_base(view)}") for view in views]
    uses_of_qualified = Counter(map(name_key, qualified))
    reserved = {name_key(name) for name in (*_THIS_MACHINE, *groups)}
    names, renamed = [], []
    for view, second in zip(views, qualified):
        name = _base(view)
        if uses[name_key(name)] > 1 or name_key(name) in reserved:
            is_unique = uses_of_qualified[name_key(second)] == 1 and not uses[name_key(second)]
            name = second if is_unique and name_key(second) not in reserved else view["index"]
            renamed.append(
                f"Node {view['name'] or view['index']} of pod manager {view['podm']} is the host {name}, because another"
                " node, a group or this machine has its name."
            )
        names.append(name)
    return names, renamed


def _identity(podm_id: str, uuid: str | None, system_id: str) -> str:
    return uuid or f"{podm_id}/{system_id}"


def _base(view: View) -> str:
    return clean(view["name"] or view["index"])


def clean(name: str) -> str:
    """Return a name of a node as a name of a host.

    Only letters and digits of any script, `_`, `-` and `.` stay, the last two not at the beginning. Others would mean
    something in patterns, in paths or for ssh, or could begin a template.
    """
    return re.sub(r"[^\w.-]|^[.-]", "_", name)
