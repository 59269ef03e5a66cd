# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_podm does. Private to the collection."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._ansible.change import ChangeRun
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context, Result
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import ENV_URL
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import (
    connection,
    registered,
    remembered,
    settings_of,
    unregistered,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.claims import WHOLE_PODM
from ansible_collections.nec.expether.plugins.module_utils._execution.forget import Forgetting, forget
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    check_name,
    comma_list,
    eem_url,
    node_uuid,
    podm_uuid,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import plan_release
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice, StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, RegisteredUrl, StoredNode
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
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import Moment, facts, listing_change, reconcile


def run(context: Context) -> Result:
    """Bring a pod manager's registration to what the task says."""
    if context.params["state"] == "absent":
        return _absent(context)
    eem = _Eem(context)
    return until_written(lambda: _present(context, eem))


def _present(context: Context, eem: _Eem) -> Result:
    stop_if_interrupted()
    podms = context.registry.all(PodManager)
    found = next(iter(find_by_name(podms, context.params["name"])), None)
    uuid, name = (
        (found.uuid, found.name)
        if found
        else (podm_uuid(context.params["name"]), check_name(context.params["name"], "pod manager"))
    )
    settings = _wanted_settings(context, found)
    for other in podms:
        if other.uuid != uuid and other.url == settings.url:
            raise PlanRefused(f"{settings.url} is registered already, as pod manager {other.name}.")
    before = podm_view(found) if found else {}
    now = now_iso()
    old = found or _new(uuid, name, now)
    words: dict[str, t.Any] = {
        key: value or None for key in ("description", "location") if (value := context.params[key]) is not None
    }
    how = connection(context, old.connection)
    wanted = old._replace(url=settings.url, username=settings.username, connection=how, **words)
    old_settings = _remembered_settings(context, found)
    password_changed = old_settings is None or old_settings.password != settings.password
    other_eem = old_settings is None or old_settings != settings
    sync = context.params["sync"] and (old.last_sync is None or old.url != settings.url)
    if found and wanted == found and not (password_changed or sync):
        return {"changed": False, "podm": before, "diff": {"before": before, "after": before}}
    podm = wanted._replace(updated_at=now)
    changes: list[Change] = []
    if other_eem or sync:
        podm, changes = eem.ask(settings, podm, sync)
    if password_changed:
        podm = podm._replace(
            password=context.secrets().encrypt(settings.password) if settings.password is not None else None
        )
    changes += _adopt_nodes(context, uuid, name, settings.url)
    if old.url != settings.url:
        # A document for the URL: two runs that register one EEM under two names cannot both write it.
        changes.append(put(RegisteredUrl(unregistered_podm_uuid(settings.url), NEVER, uuid)))
        if found:
            changes.append(remove_anyway(RegisteredUrl, unregistered_podm_uuid(old.url)))
    stop_if_interrupted()
    if not context.check_mode:
        context.registry.commit([put(podm), *changes])
    after = podm_view(podm)
    hidden = {"password": "********"} if password_changed and found else {}
    return {
        "changed": True,
        "podm": after,
        # A new password is a change that the diff shows, without showing it.
        "diff": {
            "before": {**before, **hidden},
            "after": {**after, **({"password": "******** (another one)"} if hidden else {})},
        },
    }


def _new(uuid: str, name: str, now: str) -> PodManager:
    """Return a pod manager of which nothing but its name is known."""
    return PodManager(
        uuid=uuid,
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


def _adopt_nodes(context: Context, uuid: str, name: str, url: str) -> list[Change]:
    """Return the changes that give a pod manager the nodes that were made by its URL before it was registered.

    :raises PlanRefused: it has a node of such a name already
    """
    nodes = context.registry.all(StoredNode)
    changes = []
    for node in nodes:
        if node.podm_id == unregistered_podm_uuid(url):
            new = node_uuid(uuid, node.name)
            if any(other.uuid == new for other in nodes):
                raise PlanRefused(
                    f"Node {node.name} was made by the URL {url}, and pod manager {name} has a node of that name"
                    " already. Release one of them first."
                )
            changes += [remove(node), put(node._replace(uuid=new, revision=NEVER, podm_id=uuid))]
    return changes


def _wanted_settings(context: Context, found: PodManager | None) -> Settings:
    """Return how to reach the EEM: a new one by the environment too, a known one by what the task says alone."""
    params = context.params
    if found is None:
        url = context.option("url", ENV_URL)
        if url is None:
            raise InvalidInput(f"Pod manager {params['name']!r} is not registered yet: url says where its EEM is.")
        return unregistered(context, eem_url(url))
    known = settings_of(context, found)
    url = known.url if params["url"] is None else eem_url(params["url"])
    if url != known.url and known.password is not None and params["password"] is None:
        raise InvalidInput(
            f"Pod manager {found.name} gets another url: say its password too, for the remembered one is sent to"
            f" {known.url} only."
        )
    return known._replace(url=url)


def _remembered_settings(context: Context, found: PodManager | None) -> Settings | None:
    """Return how a registered EEM is reached so far; C(None) if there is none or its password's key is lost.

    In that case the task says the password anew, or it has failed already.
    """
    try:
        return remembered(context, found) if found else None
    except RegistryError:
        return None


class _Eem:
    """What one EEM says to a run; it is asked again only if its devices have been written meanwhile."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: tuple[Settings, int, bool] | None = None
        self._version = ""
        self._fabric = Fabric([])

    def ask(self, settings: Settings, podm: PodManager, sync: bool) -> tuple[PodManager, list[Change]]:
        """Ask the EEM who it is, and with `sync` what it has.

        Return the pod manager with that, and the changes for its devices.

        :raises PlanRefused: another EEM is there than the one that has the pod manager's nodes
        """
        registry = self._context.registry
        nodes = registry.of_podm(StoredNode, podm.uuid)
        # The order is what makes later writes a conflict: the devices, then the document that changes with each of them,
        # then EEM.
        known = registry.of_podm(StoredDevice, podm.uuid) if sync else []
        listing = registry.get(StoredListing, podm.uuid)
        self._read(settings, listing.revision if listing else NEVER, bool(sync or nodes))
        podm = podm._replace(api_version=self._version)
        elsewhere = sorted(node.name for node in nodes if node.system_id not in self._fabric.systems)
        if elsewhere:
            raise PlanRefused(
                f"{settings.url} does not list the systems of the nodes {comma_list(elsewhere)}; release them first."
            )
        if not sync:
            return podm._replace(status="Online", last_error=None), []
        moment, names = Moment(datetime.now(timezone.utc), podm.last_sync), self._context.pci_names
        views = Views(podm.uuid, podm.name, {node.system_id: node.name for node in nodes}, names)
        changes = reconcile(known, self._fabric, views, moment).changes
        return facts(podm, self._fabric, moment), [*changes, listing_change(podm.uuid, listing, None), *names.changes()]

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
    except NotFound:  # another run was quicker
        if _find(context) is not None:
            raise
    return {"changed": False, "podm": None, "plan": [], "diff": {"before": {}, "after": {}}}


def _find(context: Context) -> PodManager | None:
    return next(iter(find_by_name(context.registry.all(PodManager), context.params["name"])), None)


def _remove(context: Context, found: PodManager) -> Result:
    view = podm_view(found)
    nodes = context.registry.of_podm(StoredNode, found.uuid)
    if nodes and not context.params["cascade"]:
        names = comma_list(sorted(node.name for node in nodes))
        raise PlanRefused(
            f"Pod manager {found.name} has nodes: {names}. Release them first (expether_node, state: absent), or say"
            " cascade: true, which detaches their devices and forgets them."
        )
    rows: list[View] = []
    if nodes:
        rows = _release_all(context, found)
    else:
        _forget_alone(context, found)
    return {"changed": True, "podm": view, "plan": rows, "diff": {"before": view, "after": {}}}


def _forget_alone(context: Context, found: PodManager) -> None:
    """Forget a pod manager without nodes, unless a run is about to make one."""

    def changes() -> list[Change]:
        if context.registry.of_podm(StoredNode, found.uuid):
            raise PlanRefused(f"Pod manager {found.name} has got a node just now; give the task again.")
        return _forget(context, found.uuid)

    wish = Forgetting(found.uuid, WHOLE_PODM, f"the removal of {found.name}")
    settings = Settings(found.url, **connection(context, found.connection))
    context.warn(forget(context.registry, wish, settings, None if context.check_mode else changes))


def _forget(context: Context, uuid: str) -> list[Change]:
    """Return the changes that forget a pod manager and its devices.

    :raises NotFound: another run has removed it
    """
    found = context.registry.get(PodManager, uuid)
    if found is None:
        raise NotFound("The pod manager was removed by another run meanwhile.")
    return [
        remove(found),
        remove_anyway(RegisteredUrl, unregistered_podm_uuid(found.url)),
        remove_anyway(StoredListing, found.uuid),
        *(remove_anyway(StoredDevice, device.uuid) for device in context.registry.of_podm(StoredDevice, found.uuid)),
    ]


def _release_all(context: Context, found: PodManager) -> list[View]:
    where = registered(context, found)
    run_ = ChangeRun(context, where, f"the removal of {where.podm}", exclusive=True)
    return run_.execute(
        lambda observed, _client: plan_release(observed, observed.nodes.values()),
        more_changes=lambda _outcome: _forget(context, found.uuid),
    ).rows
