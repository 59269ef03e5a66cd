# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which EEM a task means, and how to reach it. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import (
    check_connection,
    check_pair,
    credentials,
    said_url,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
    NotFound,
)
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    comma_list,
    parse_uuid,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.records import CONNECTION_KEYS, PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry, RegistryError
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm, only_node


class Target(t.NamedTuple):
    """One EEM.

    :ivar podm_id: its pod manager's UUID; one made from the URL if it is not registered
    :ivar podm: its name; C(None) if it is not registered
    :ivar registry: where its nodes are remembered; C(None) if there is none and none is needed
    :ivar error: why it cannot even be asked
    """

    podm_id: str
    podm: str | None
    settings: Settings
    registry: Registry | None
    error: ExpetherError | None = None


def connection(context: Context, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return how to reach an EEM: what the task says, else what is remembered, else the defaults.

    :raises InvalidInput: a value cannot be meant, or a file is not there
    """
    defaults = Settings("")._asdict()
    found = {**{key: known.get(key, defaults[key]) for key in CONNECTION_KEYS}, **context.connection}
    check_connection(found)
    if found["client_key"] and not found["client_cert"]:
        raise InvalidInput("`client_key` is set without `client_cert`.")
    return found


def remembered(context: Context, podm: PodManager) -> Settings:
    """Return how to reach a registered pod manager, by what is remembered alone.

    :raises ExpetherError: its password cannot be decrypted
    """
    password = context.secrets().decrypt(podm.password) if podm.password is not None else None
    context.hide(password, podm.username)
    return Settings(podm.url, podm.username, password, **podm.connection)


def settings_of(context: Context, podm: PodManager) -> Settings:
    """Return how to reach a registered pod manager: what the task says, and else what is remembered.

    :raises ExpetherError: its password is needed and cannot be decrypted, or as C(connection)
    """
    username, password = _credentials(context, podm)
    if username == podm.username and password is None:  # another user's password is not the one that is stored
        password = remembered(context, podm).password
    context.hide(password, username)
    return Settings(podm.url, username, password, **connection(context, podm.connection))


def _credentials(context: Context, known: PodManager) -> tuple[str | None, str | None]:
    """Return the user name and the password for a registered EEM; no password if the stored one is meant.

    :raises InvalidInput: the task says one of them, and the registry has not the other
    """
    username, password = context.params.get("username"), context.params.get("password")
    username = known.username if username is None else username or None
    if username is None:
        password = password or None
    if username != known.username or password is not None:
        check_pair(username, password)
    return username, password


def unregistered(context: Context, url: str) -> Settings:
    """Return how to reach an EEM by its URL, with the task's or the environment's credentials.

    :raises InvalidInput: as C(connection)
    """
    username, password = credentials(context)
    context.hide(password, username)
    return Settings(url=url, username=username, password=password, **connection(context, {}))


def targets(context: Context) -> list[Target]:
    """Return the EEMs that a reading task means: the one it names, or else all registered ones.

    :raises ExpetherError: the pod manager is not registered, or as C(target)
    """
    url = said_url(context)
    if url is not None:
        return [by_url(context, url, names_needed=False)]
    if context.params.get("podm") is not None:
        return [registered(context, find_podm(context.registry, context.params["podm"]))]
    podms = context.registry.all(PodManager)
    for podm in podms:
        _credentials(context, podm)  # what the task says is no failure of an EEM
    return [_registered_or_error(context, podm) for podm in sorted(podms, key=lambda podm: podm.name.casefold())]


def target(
    context: Context, node: str | None, devices: t.Sequence[str] | None = None, names_needed: bool = True
) -> Target:
    """Return the one EEM that a changing task means.

    Without C(podm) and C(url) it is the one whose node or devices the task names, or the only one that is registered.

    :param node: a node that the task names
    :param devices: devices that the task names; its node must be there then
    :param names_needed: whether the task is about names, so that the registry must be usable
    :raises ExpetherError: it is not registered, or it is not clear which is meant
    """
    url = said_url(context)
    if url is not None:
        return by_url(context, url, names_needed)
    if context.params.get("podm") is not None:
        return registered(context, find_podm(context.registry, context.params["podm"]))
    podms = context.registry.all(PodManager)
    if node is not None:
        found = only_node(find_by_name(context.registry.all(StoredNode), node), node)
        if found:
            mine = [podm for podm in podms if podm.uuid == found.podm_id]
            if not mine:
                raise InvalidInput(f"Node {node!r} is on an EEM that is not registered: give its url.")
            return registered(context, mine[0])
    if len(podms) == 1:
        return registered(context, podms[0])
    if devices is not None and podms:
        if node is not None and parse_card_id(node) is None and parse_uuid(node) is None:
            names = comma_list(sorted(found.name for found in context.registry.all(StoredNode)))
            raise NotFound(f"There is no node {node!r}; " + (f"there are {names}." if names else "there are no nodes."))
        ids = {parse_card_id(text) or parse_uuid(text) for text in devices}
        known = (device for device in context.registry.all(StoredDevice) if {device.uuid, device.device_id} & ids)
        owners = {device.podm_id for device in known}
        mine = [podm for podm in podms if {podm.uuid} == owners]
        if mine:
            return registered(context, mine[0])
    if not podms:
        raise InvalidInput(
            "No pod manager is registered. Register one with expether_podm and name it in podm, or give url."
        )
    names = comma_list(sorted(podm.name for podm in podms))
    raise InvalidInput(f"Say with podm which pod manager is meant; registered are {names}.")


def registered(context: Context, podm: PodManager) -> Target:
    """Return a registered pod manager."""
    return Target(podm.uuid, podm.name, settings_of(context, podm), context.registry)


def _registered_or_error(context: Context, podm: PodManager) -> Target:
    """Return a registered pod manager; one that cannot be asked does not hide the others."""
    try:
        return registered(context, podm)
    except MissingLibrary:
        raise
    except ExpetherError as error:
        return Target(podm.uuid, podm.name, Settings(podm.url), context.registry, error)


def by_url(context: Context, url: str, names_needed: bool) -> Target:
    """Return the EEM of a URL: the pod manager that is registered with it, if any.

    What is not about names works without a registry: one that cannot be used matters only if the user names it.
    """
    settings = unregistered(context, url)
    registry: Registry | None = None
    try:
        registry = context.registry
        podms = registry.all(PodManager)
        nodes = registry.all(StoredNode)
    except RegistryError:
        if names_needed or context.names_registry:
            raise
        registry, podms, nodes = None, [], []
    for podm in podms:
        if podm.url == url:
            return Target(podm.uuid, podm.name, settings, registry)
    podm_id = unregistered_podm_uuid(url)
    # An EEM that nobody registered has no names to keep, unless the task is about one.
    named = names_needed or any(node.podm_id == podm_id for node in nodes)
    return Target(podm_id, None, settings, registry if named else None)
