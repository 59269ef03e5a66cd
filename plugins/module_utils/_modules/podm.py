# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs expether_podm. Private to the collection."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import ENV_URL, check_key
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import (
    podm_settings,
    settings_for_url,
    stored_settings,
    target_of_podm,
    waiting_settings,
    with_defaults,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import WHOLE_PODM
from ansible_collections.nec.expether.plugins.module_utils._execution.forget import Forgetting, forget
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    REGISTRATIONS,
    check_name,
    comma_list,
    node_uuid,
    podm_uuid,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._model.urls import eem_url
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import plan_release
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.owners import Owners
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    PodManager,
    RegisteredUrl,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Change,
    RegistryError,
    now_iso,
    put,
    remove,
    remove_anyway,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View, Views
from ansible_collections.nec.expether.plugins.module_utils._results.documents import podm_view
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import (
    Moment,
    accepted,
    listing_of,
    podm_facts,
    reconcile,
)


def run(context: Context) -> Result:
    """Register, update or remove a pod manager."""
    context.require_lasting_registry()
    if context.params["state"] == "absent":
        return _absent(context)
    eem = _Eem(context)
    return until_written(lambda: _present(context, eem))


def _present(context: Context, eem: _Eem) -> Result:
    stop_if_interrupted()
    # Read before everything else: a registration by another run since then causes a conflict.
    registrations = context.registry.get(RegisteredUrl, REGISTRATIONS)
    podms, now = context.registry.all(PodManager), now_iso()
    found = next(iter(find_by_name(podms, context.params["name"])), None)
    old = found or _new(check_name(context.params["name"], "pod manager"), now)
    settings, current = _wanted_settings(context, found), _current_settings(context, found)
    _check_url_is_free(podms, old, settings.url)
    wanted = _wanted(context, old, settings)
    password_changed = current is None or current.password != settings.password
    is_new_url = old.url != settings.url
    sync = context.params["sync"] and (old.last_sync is None or is_new_url)
    if found and wanted == found and not (password_changed or sync):
        return _to_result(found, found)
    podm = wanted._replace(updated_at=now)
    changes: list[Change] = []
    # Compared as stored, because the environment of this host may have other files.
    if settings._replace(**podm.connection) != current or sync:
        podm, changes = eem.ask(settings, podm, sync)
    if is_new_url or sync:
        _check_cards(context, podm, eem.cards, is_new_url)
        revision = registrations.revision if registrations else NEVER
        changes.append(put(RegisteredUrl(REGISTRATIONS, revision, podm.uuid)))
    if password_changed:
        podm = podm._replace(password=_encrypted(context, settings.password))
    changes += [*_adopt_nodes(context, podm, podms, eem.cards), *_url_changes(found, podm)]
    stop_if_interrupted()
    if not context.check_mode:
        context.registry.commit([put(podm), *changes])
    return _to_result(found, podm, password_changed)


def _to_result(before: PodManager | None, after: PodManager, password_changed: bool = False) -> Result:
    """Return the result for a registered pod manager.

    :param before: its record before the run; the same as `after` if nothing changed
    """
    view = podm_view(after)
    diff = {"before": _to_diff(before) if before else {}, "after": _to_diff(after)}
    if before and password_changed:  # the diff shows that the password changes, but no password
        diff["before"]["password"], diff["after"]["password"] = "********", "******** (changed)"
    return {"changed": before is not after, "podm": view, "diff": diff}


def _to_diff(podm: PodManager) -> View:
    """Return a pod manager as the diff shows it: with fingerprints in place of the text of certificates."""
    text = Settings("", **podm.connection).ca_text
    if text is None:
        return podm_view(podm)
    # Imported here, because most pod managers have no such text.
    from ansible_collections.nec.expether.plugins.module_utils._eem.certificates import fingerprints

    shown = f"PEM text, SHA-256 {comma_list(fingerprints(text))}"
    return {**podm_view(podm), "connection": {**podm.connection, "ca_path": shown}}


def _check_url_is_free(podms: t.Sequence[PodManager], podm: PodManager, url: str) -> None:
    """Reject a URL that is registered for another pod manager.

    :raises PlanRefused: it is
    """
    for other in podms:
        if other.uuid != podm.uuid and other.url == url:
            raise PlanRefused(f"{url} is already registered as pod manager {other.name}.")


def _check_cards(context: Context, podm: PodManager, cards: t.Collection[str], is_new_url: bool) -> None:
    """Reject an EEM that lists cards of another pod manager: it is the same EEM, whatever its URL.

    :param cards: the ids of the cards that EEM lists; none if it was not asked for them
    :raises PlanRefused: it does
    """
    if not cards:
        return
    owners = Owners(context.registry)
    for other, found in owners.others(podm.uuid, cards).items():
        # Another run may have registered it meanwhile, under the same URL.
        _check_url_is_free(context.registry.all(PodManager), podm, podm.url)
        raise PlanRefused(
            f"The EEM at {podm.url} lists cards of pod manager {other} ({comma_list(found, 4)}), so it cannot be pod"
            f" manager {podm.name} too. Use {other}; if its EEM has moved, change its URL with expether_podm (name: {other},"
            f" url: {podm.url}). If only the cards were moved, synchronise {other} first."
        )
    had = owners.cards(podm.uuid)
    if is_new_url and had and had.isdisjoint(cards):
        lacking = f"none of the {len(had)} cards that pod manager {podm.name} had"
        context.warn([f"The EEM at {podm.url} lists {lacking}. Check whether it is the same EEM."])


def _wanted(context: Context, old: PodManager, settings: Settings) -> PodManager:
    """Return a pod manager with the requested values, except for the password and what EEM reports."""
    texts: dict[str, t.Any] = {
        key: value or None for key in ("description", "location") if (value := context.params[key]) is not None
    }
    options = with_defaults(context.connection.stored(old.connection))
    check_key(options)
    return old._replace(url=settings.url, username=settings.username, connection=options, **texts)


def _encrypted(context: Context, password: str | None) -> str | None:
    return None if password is None else context.secrets().encrypt(password)


def _url_changes(found: PodManager | None, podm: PodManager) -> list[Change]:
    """Return the changes that reserve a new URL for the pod manager and release its former one."""
    if found and found.url == podm.url:
        return []
    reserved = put(RegisteredUrl(unregistered_podm_uuid(podm.url), NEVER, podm.uuid))
    return [reserved, remove_anyway(RegisteredUrl, unregistered_podm_uuid(found.url))] if found else [reserved]


def _new(name: str, now: str) -> PodManager:
    """Return the record of a pod manager of which only the name is known."""
    return PodManager(
        uuid=podm_uuid(name),
        revision=NEVER,
        name=name,
        url="",
        username=None,
        password=None,
        description=None,
        location=None,
        connection={},
        status="Unknown",
        api_version=None,
        last_sync=None,
        last_error=None,
        systems=None,
        free_slots=None,
        degraded_since=None,
        created_at=now,
        updated_at=now,
    )


def _adopt_nodes(
    context: Context, podm: PodManager, podms: t.Sequence[PodManager], cards: t.Container[str]
) -> list[Change]:
    """Return the changes that give a pod manager the nodes that were created with a URL of its EEM before it was registered.

    :param podms: all registered ones
    :param cards: the cards that its EEM lists, if it was asked for them
    :raises PlanRefused: it already has a node of such a name, or on such a system
    """
    nodes = context.registry.all(StoredNode)
    at_url, registered = unregistered_podm_uuid(podm.url), {podm.uuid, *(other.uuid for other in podms)}
    taken = {key for node in nodes if node.podm_id == podm.uuid for key in (node.uuid, node.system_id)}
    changes = []
    for node in nodes:
        if node.podm_id == at_url or (node.podm_id not in registered and node.system_id in cards):
            uuid = node_uuid(podm.uuid, node.name)
            if taken & {uuid, node.system_id}:
                raise PlanRefused(
                    f"Node {node.name} was created with a URL of this EEM before it was registered, and pod manager"
                    f" {podm.name} already has a node of that name or on its system. Release one of them first."
                )
            taken |= {uuid, node.system_id}
            changes += [remove(node), put(node._replace(uuid=uuid, revision=NEVER, podm_id=podm.uuid))]
    return changes


def _wanted_settings(context: Context, found: PodManager | None) -> Settings:
    """Return how to reach the EEM with the requested values; the environment is only used for a new pod manager.

    :raises ExpetherError: an option is missing or invalid
    """
    params = context.params
    if found is None:
        url = context.option("url", ENV_URL)
        if url is None:
            raise InvalidInput(f"Pod manager {params['name']!r} is not registered. Set `url` to register it.")
        return settings_for_url(context, eem_url(url))
    known = podm_settings(context, found)
    url = known.url if params["url"] is None else eem_url(params["url"])
    if url != known.url and known.password is not None and params["password"] is None:
        raise InvalidInput(
            f"Changing the URL of {found.name} requires `password`: the stored one is only sent to {known.url}."
        )
    return known._replace(url=url)


def _current_settings(context: Context, found: PodManager | None) -> Settings | None:
    """Return how to reach a registered EEM before this run; `None` if it is not registered or its password is unreadable.

    If the password is unreadable, the task sets a new one, because `podm_settings` fails without it.
    """
    try:
        return stored_settings(context, found) if found else None
    except RegistryError:
        return None


class _Eem:
    """The answers of one EEM. It is asked again only if another run has changed its stored devices in the meantime."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: tuple[Settings, int, bool] | None = None
        self._version = ""
        self._fabric = Fabric([])

    @property
    def cards(self) -> set[str]:
        """The ids of the cards that EEM lists; none if it was not asked for them."""
        return {*self._fabric.systems, *self._fabric.devices}

    def ask(self, settings: Settings, podm: PodManager, sync: bool) -> tuple[PodManager, list[Change]]:
        """Ask the EEM for its version, and for its cards with `sync` or if the registry has nodes that may be on them.

        Return the pod manager with the answers, and the changes that update its stored devices.

        :raises PlanRefused: the EEM at this URL does not list the systems of the pod manager's nodes
        """
        registry = self._context.registry
        all_nodes, registered = registry.all(StoredNode), {each.uuid for each in registry.all(PodManager)}
        nodes = [node for node in all_nodes if node.podm_id == podm.uuid]
        # Nodes that were created with a URL may be this EEM's.
        orphans = any(node.podm_id not in registered for node in all_nodes)
        # Read the devices first, then the listing, which changes with every device, and ask EEM last: a write by another
        # run in between then causes a conflict.
        known = registry.of_podm(StoredDevice, podm.uuid) if sync else []
        listing = registry.get(StoredListing, podm.uuid)
        self._read(settings, listing.revision if listing else NEVER, bool(sync or nodes or orphans))
        podm = podm._replace(api_version=self._version)
        elsewhere = sorted(node.name for node in nodes if node.system_id not in self._fabric.systems)
        if elsewhere and not self.cards:
            raise PlanRefused(
                f"{settings.url} lists no cards, and so not the systems of these nodes: {comma_list(elsewhere)}. It may"
                " have just started. Run the task again when it lists its cards."
            )
        if elsewhere:
            raise PlanRefused(
                f"{settings.url} does not list the systems of these nodes: {comma_list(elsewhere)}. Release them first."
            )
        if not sync:
            return accepted(podm), []
        moment, names = Moment(datetime.now(timezone.utc), podm.last_sync), self._context.pci_names
        views = Views(podm.uuid, podm.name, {}, names)
        on_systems = {node.system_id: node.node() for node in nodes}
        changes = reconcile(known, self._fabric, views, on_systems, moment).changes
        return podm_facts(podm, self._fabric, moment), [
            *changes,
            put(listing_of(podm.uuid, listing, None, self._fabric)),
            *names.changes(),
        ]

    def _read(self, settings: Settings, listing: int, cards: bool) -> None:
        if self._asked == (settings, listing, cards):
            return
        with Client(settings) as client:
            self._version = client.api_version()
            self._fabric = Fabric.from_records(client.devices_detail()) if cards else Fabric([])
            self._context.warn(client.waited)
        self._asked = (settings, listing, cards)


def _absent(context: Context) -> Result:
    found = _find(context)
    try:
        if found is not None:
            return _remove(context, found)
    except NotFound:  # another run has removed it
        if _find(context) is not None:
            raise
    return {"changed": False, "podm": None, "plan": [], "diff": {"before": {}, "after": {}}}


def _find(context: Context) -> PodManager | None:
    return next(iter(find_by_name(context.registry.all(PodManager), context.params["name"])), None)


def _remove(context: Context, found: PodManager) -> Result:
    nodes = context.registry.of_podm(StoredNode, found.uuid)
    if nodes and not context.params["cascade"]:
        names = comma_list(sorted(node.name for node in nodes))
        raise PlanRefused(
            f"Pod manager {found.name} has nodes: {names}. Release them first (expether_node with `state: absent`), or set"
            " `cascade: true` to release them together with it."
        )
    rows = _release_all(context, found) if nodes else _forget_alone(context, found)
    return {"changed": True, "podm": podm_view(found), "plan": rows, "diff": {"before": _to_diff(found), "after": {}}}


def _forget_alone(context: Context, found: PodManager) -> list[View]:
    """Forget a pod manager without nodes, unless another run is creating one."""

    def changes() -> list[Change]:
        if context.registry.of_podm(StoredNode, found.uuid):
            raise PlanRefused(f"Another run has created a node on pod manager {found.name}. Run the task again.")
        return _forget(context, found.uuid)

    forgetting = Forgetting(found.uuid, WHOLE_PODM, f"the removal of {found.name}")
    settings = waiting_settings(context, found)
    context.warn(forget(context.registry, forgetting, settings, None if context.check_mode else changes))
    return []


def _forget(context: Context, uuid: str) -> list[Change]:
    """Return the changes that forget a pod manager and its devices.

    :raises NotFound: another run has removed it
    """
    found = context.registry.get(PodManager, uuid)
    if found is None:
        raise NotFound("Another run has removed the pod manager.")
    return [
        remove(found),
        # Also the URLs of earlier versions in another form, and `REGISTRATIONS` if it is about this one.
        *(
            remove_anyway(RegisteredUrl, url.uuid)
            for url in context.registry.all(RegisteredUrl)
            if url.podm_id == found.uuid
        ),
        remove_anyway(StoredListing, found.uuid),
        *(remove_anyway(StoredDevice, device.uuid) for device in context.registry.of_podm(StoredDevice, found.uuid)),
    ]


def _release_all(context: Context, found: PodManager) -> list[View]:
    """Release all nodes of a pod manager and forget it; return the rows of the plan."""
    where = target_of_podm(context, found)
    run_ = ChangeRun(context, where, f"the removal of {where.podm}", exclusive=True)
    return run_.execute(
        lambda observed, _client: plan_release(observed, observed.nodes.values(), context.params["skip_silent"]),
        more_changes=lambda _outcome: _forget(context, found.uuid),
    ).rows
