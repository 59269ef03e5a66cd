# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What expether_podm does. Private to the collection."""

from __future__ import annotations

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
from ansible_collections.nec.expether.plugins.module_utils._planning.nodes import plan_release
from ansible_collections.nec.expether.plugins.module_utils._registry.store import (
    NEVER,
    Body,
    Change,
    Document,
    RegistryError,
    now_iso,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views
from ansible_collections.nec.expether.plugins.module_utils._results.documents import named, pci_names_changes, podm_view
from ansible_collections.nec.expether.plugins.module_utils._sync.reconcile import Moment, facts, listing_change, reconcile


def run(context: Context) -> Result:
    """Bring a pod manager's registration to what the task says."""
    if context.params["state"] == "absent":
        return _absent(context)
    eem = _Eem(context)
    return until_written(lambda: _present(context, eem))


def _present(context: Context, eem: _Eem) -> Result:
    stop_if_interrupted()
    documents = context.registry.all("pod_managers")
    found = next(iter(named(documents, context.params["name"])), None)
    uuid, name = (
        (found.uuid, found.body["name"])
        if found
        else (podm_uuid(context.params["name"]), check_name(context.params["name"], "pod manager"))
    )
    settings = _wanted_settings(context, found)
    for other in documents:
        if other.uuid != uuid and other.body["url"] == settings.url:
            raise PlanRefused(f"{settings.url} is registered already, as pod manager {other.body['name']}.")
    old: Body = found.body if found else {}
    before = podm_view(uuid, old) if found else {}
    words = ("description", "location")
    told = {key: value or None for key in words if (value := context.params[key]) is not None}
    wanted: Body = {
        "name": name,
        "url": settings.url,
        "username": settings.username,
        **{key: old.get(key) or None for key in words},
        **told,
        "connection": connection(context, old.get("connection") or {}),
    }
    old_settings = _remembered_settings(context, found)
    password_changed = old_settings is None or old_settings.password != settings.password
    differs = password_changed or any(before.get(key) != value for key, value in wanted.items())
    other_eem = old_settings is None or old_settings != settings
    sync = context.params["sync"] and (old.get("last_sync") is None or old["url"] != settings.url)
    if not (differs or sync):
        return {"changed": False, "podm": before, "diff": {"before": before, "after": before}}
    now = now_iso()
    body: Body = {
        "api_version": None,
        "status": "Unknown",
        "last_sync": None,
        "last_error": None,
        "systems": None,
        "free_slots": None,
        "degraded_since": None,
        "created_at": now,
        **old,
        **wanted,
        "updated_at": now,
    }
    changes: list[Change] = []
    if other_eem or sync:
        changes = eem.ask(settings, uuid, body, sync)
    if password_changed or "password" not in body:
        body["password"] = context.secrets().encrypt(settings.password) if settings.password is not None else None
    changes += _adopt_nodes(context, uuid, name, settings.url)
    if old.get("url") != settings.url:
        # A document for the URL: two runs that register one EEM under two names cannot both write it.
        changes.append(Change("urls", unregistered_podm_uuid(settings.url), {"podm_id": uuid}, NEVER))
        if found:
            changes.append(Change("urls", unregistered_podm_uuid(old["url"]), None, None))
    stop_if_interrupted()
    if not context.check_mode:
        context.registry.commit(
            [Change("pod_managers", uuid, body, found.revision if found else NEVER), *changes],
        )
    after = podm_view(uuid, body)
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


def _adopt_nodes(context: Context, uuid: str, name: str, url: str) -> list[Change]:
    """Return the changes that give a pod manager the nodes that were made by its URL before it was registered.

    :raises PlanRefused: it has a node of such a name already
    """
    nodes = context.registry.all("nodes")
    changes = []
    for node in nodes:
        if node.body["podm_id"] == unregistered_podm_uuid(url):
            new = node_uuid(uuid, node.body["name"])
            if any(other.uuid == new for other in nodes):
                raise PlanRefused(
                    f"Node {node.body['name']} was made by the URL {url}, and pod manager {name} has a node of that name"
                    " already. Release one of them first."
                )
            changes.append(Change("nodes", node.uuid, None, node.revision))
            changes.append(Change("nodes", new, {**node.body, "podm_id": uuid}, NEVER))
    return changes


def _wanted_settings(context: Context, found: Document | None) -> Settings:
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
            f"Pod manager {found.body['name']} gets another url: say its password too, for the remembered one is sent to"
            f" {known.url} only."
        )
    return known._replace(url=url)


def _remembered_settings(context: Context, found: Document | None) -> Settings | None:
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

    def ask(self, settings: Settings, uuid: str, body: Body, sync: bool) -> list[Change]:
        """Ask the EEM who it is, and with `sync` what it has; return the changes for its devices.

        :raises PlanRefused: another EEM is there than the one that has the pod manager's nodes
        """
        registry = self._context.registry
        nodes = [node.body for node in registry.all("nodes") if node.body["podm_id"] == uuid]
        # The order is what makes later writes a conflict: the devices, then the document that changes with each of them,
        # then EEM.
        known = [found for found in registry.all("devices") if found.body["podm_id"] == uuid] if sync else []
        listing = registry.get("listings", uuid)
        self._read(settings, listing.revision if listing else NEVER, bool(sync or nodes))
        body["api_version"] = self._version
        elsewhere = sorted(node["name"] for node in nodes if node["index"] not in self._fabric.systems)
        if elsewhere:
            raise PlanRefused(
                f"{settings.url} does not list the systems of the nodes {comma_list(elsewhere)}; release them first."
            )
        if not sync:
            body.update(status="Online", last_error=None)
            return []
        moment = Moment(datetime.now(timezone.utc), body["last_sync"])
        body.update(facts(self._fabric, moment))
        views = Views(uuid, body["name"], {node["index"]: node["name"] for node in nodes}, self._context.pci_names)
        changes = reconcile(known, self._fabric, views, moment).changes
        return [*changes, listing_change(uuid, listing, None), *pci_names_changes(self._context.pci_names)]

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


def _find(context: Context) -> Document | None:
    return next(iter(named(context.registry.all("pod_managers"), context.params["name"])), None)


def _remove(context: Context, found: Document) -> Result:
    view = podm_view(found.uuid, found.body)
    nodes = [node for node in context.registry.all("nodes") if node.body["podm_id"] == found.uuid]
    if nodes and not context.params["cascade"]:
        names = comma_list(sorted(node.body["name"] for node in nodes))
        raise PlanRefused(
            f"Pod manager {view['name']} has nodes: {names}. Release them first (expether_node, state: absent), or say"
            " cascade: true, which detaches their devices and forgets them."
        )
    rows: list[Body] = []
    if nodes:
        rows = _release_all(context, found)
    else:
        _forget_alone(context, found)
    return {"changed": True, "podm": view, "plan": rows, "diff": {"before": view, "after": {}}}


def _forget_alone(context: Context, found: Document) -> None:
    """Forget a pod manager without nodes, unless a run is about to make one."""

    def changes() -> list[Change]:
        if any(node.body["podm_id"] == found.uuid for node in context.registry.all("nodes")):
            raise PlanRefused(f"Pod manager {found.body['name']} has got a node just now; give the task again.")
        return _forget(context, found.uuid)

    wish = Forgetting(found.uuid, WHOLE_PODM, f"the removal of {found.body['name']}")
    settings = Settings(found.body["url"], **connection(context, found.body["connection"]))
    context.warn(forget(context.registry, wish, settings, None if context.check_mode else changes))


def _forget(context: Context, uuid: str) -> list[Change]:
    """Return the changes that forget a pod manager and its devices.

    :raises NotFound: another run has removed it
    """
    found = context.registry.get("pod_managers", uuid)
    if found is None:
        raise NotFound("The pod manager was removed by another run meanwhile.")
    return [
        Change("pod_managers", found.uuid, None, found.revision),
        Change("urls", unregistered_podm_uuid(found.body["url"]), None, None),
        Change("listings", found.uuid, None, None),
        *(
            Change("devices", device.uuid, None, None)
            for device in context.registry.all("devices")
            if device.body["podm_id"] == found.uuid
        ),
    ]


def _release_all(context: Context, found: Document) -> list[Body]:
    where = registered(context, found)
    run_ = ChangeRun(context, where, f"the removal of {where.podm}", exclusive=True)
    return run_.execute(
        lambda observed, _client: plan_release(observed, observed.nodes.values()),
        more_changes=lambda _outcome: _forget(context, found.uuid),
    ).rows
