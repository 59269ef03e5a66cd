# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the EEM that a task is about, and how to reach it. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import (
    check_connection,
    check_key,
    check_pair,
    credentials,
    podm_name,
    selected_podm,
    url_option,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Settings
from ansible_collections.nec.expether.plugins.module_utils._execution.steps import listed_ids
from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
    NotStored,
    PlanRefused,
)
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    comma_list,
    parse_uuid,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._model.nodes import find_by_name
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.owners import Owners
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    CONNECTION_KEYS,
    PodManager,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry, RegistryError
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm, only_node


class Target(t.NamedTuple):
    """One EEM.

    :ivar podm_id: the UUID of its pod manager, or one derived from the URL if it is not registered
    :ivar podm: the name of its pod manager; `None` if it is not registered
    :ivar registry: where its nodes are stored; `None` if no registry is used
    :ivar error: why no request can be sent to it
    :ivar owners: finds the pod manager by the cards, if the URL is not registered
    """

    podm_id: str
    podm: str | None
    settings: Settings
    registry: Registry | None
    error: ExpetherError | None = None
    owners: Owners | None = None

    def identified(self, cards: t.Collection[str]) -> Target:
        """Return the EEM as the pod manager whose cards it lists, or unchanged if the registry knows none of them.

        :param cards: the ids of the cards that it lists
        """
        podm_id = self.owners.owner(cards) if self.owners else None
        if self.owners is None or podm_id is None:
            return self
        return self._replace(podm_id=podm_id, podm=self.owners.names.get(podm_id), registry=self.owners.registry)

    def check_identity(self, cards: t.Collection[str]) -> None:
        """Check that the cards are those of this pod manager: an EEM that had just started may have listed none before.

        :raises PlanRefused: they are not
        """
        now = self.identified(cards)
        if now.podm_id != self.podm_id:
            who = f"pod manager {now.podm}" if now.podm else "the EEM of a node that was created with another URL"
            raise PlanRefused(f"{self.settings.url} turns out to be {who}. Run the task again.")


def connection_settings(context: Context, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return all connection options that apply to an EEM.

    :param known: those that are registered with its pod manager
    :raises InvalidInput: a value is invalid, or a file does not exist
    """
    options = with_defaults(context.connection.applied(known))
    check_connection(options)
    check_key(options, context.connection.host)
    return options


def with_defaults(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return all connection options, by `CONNECTION_KEYS`: those that are set, else the defaults."""
    defaults = Settings("")._asdict()
    return {key: options.get(key, defaults[key]) for key in CONNECTION_KEYS}


def waiting_settings(context: Context, podm: PodManager | None) -> Settings:
    """Return how long a run waits that asks no EEM. The files of the connection need not exist for it."""
    if podm is None:
        return Settings("", **context.connection.applied({}))
    return Settings(podm.url, **context.connection.applied(podm.connection))


def stored_settings(context: Context, podm: PodManager) -> Settings:
    """Return how to reach a registered pod manager, from its stored record alone.

    :raises ExpetherError: its password cannot be decrypted
    """
    password = context.secrets().decrypt(podm.password) if podm.password is not None else None
    context.hide(password, podm.username)
    return Settings(podm.url, podm.username, password, **podm.connection)


def podm_settings(context: Context, podm: PodManager) -> Settings:
    """Return how to reach a registered pod manager: options of the task override the stored ones.

    :raises ExpetherError: its password is needed and cannot be decrypted, or as `connection_settings`
    """
    username, password = _credentials(context, podm)
    if username == podm.username and password is None:  # the stored password belongs to the stored user
        password = stored_settings(context, podm).password
    context.hide(password, username)
    return Settings(podm.url, username, password, **connection_settings(context, podm.connection))


def settings_or_error(context: Context, podm: PodManager) -> Settings | ExpetherError:
    """Return how to reach one of several pod managers, with its stored credentials and the task's connection options.

    If that is unknown, return the error, which must not affect the other ones.

    :raises MissingLibrary: its password cannot be decrypted, and neither can any other
    """
    try:
        return stored_settings(context, podm)._replace(**connection_settings(context, podm.connection))
    except MissingLibrary:
        raise
    except ExpetherError as error:
        return error


def _credentials(context: Context, known: PodManager) -> tuple[str | None, str | None]:
    """Return user name and password for a registered EEM. The password is `None` if the stored one is to be used.

    :raises InvalidInput: the task sets one of them, and the registry does not have the other
    """
    username, password = context.params.get("username"), context.params.get("password")
    username = known.username if username is None else username or None
    if username is None:
        password = password or None
    if username != known.username or password is not None:
        check_pair(username, password)
    return username, password


def settings_for_url(context: Context, url: str) -> Settings:
    """Return how to reach an EEM by its URL, with the task's or the environment's credentials.

    :raises InvalidInput: as `connection_settings`
    """
    username, password = credentials(context)
    context.hide(password, username)
    return Settings(url=url, username=username, password=password, **connection_settings(context, {}))


def targets(context: Context, names: t.Collection[str] | None = None) -> list[Target]:
    """Return the EEMs that a reading task is about: the one it selects, or else all registered ones.

    :param names: select these pod managers instead
    :raises ExpetherError: a pod manager is not registered, or an option is invalid
    """
    if names is not None:
        if names:
            context.require_lasting_registry()
        found = (find_podm(context.registry, name) for name in names)
        return _targets_of_podms(context, {podm.uuid: podm for podm in found})
    url = url_option(context)
    if url is not None:
        return [target_of_url(context, url, names_needed=False)]
    if podm_name(context) is not None:
        context.require_lasting_registry()
    selected = selected_podm(context)
    if selected is not None:
        return [target_of_podm(context, selected)]
    context.warn_without_lasting_registry()
    return _targets_of_podms(context, {podm.uuid: podm for podm in context.registry.all(PodManager)})


def _targets_of_podms(context: Context, podms: t.Mapping[str, PodManager]) -> list[Target]:
    """Return the EEMs of these pod managers, by UUID."""
    for podm in podms.values():
        _credentials(context, podm)  # an invalid option is not a failure of that EEM
    return [_target_or_error(context, podm) for podm in sorted(podms.values(), key=lambda podm: podm.name.casefold())]


def target(
    context: Context, node: str | None, devices: t.Sequence[str] | None = None, names_needed: bool = True
) -> Target:
    """Return the one EEM that a changing task is about.

    Without `podm` and `url`, it is the EEM of the node or devices that the task names, or the only registered one.

    :param node: the node that the task names
    :param devices: the devices that the task names; if they are set, the node must exist
    :param names_needed: whether the task uses node names, which requires the registry
    :raises ExpetherError: the pod manager is not registered, or several are possible
    """
    url = url_option(context)
    if url is None or names_needed:
        context.require_lasting_registry()
    if url is not None:
        return _identified(context, target_of_url(context, url, names_needed))
    selected = selected_podm(context)
    if selected is not None:
        return target_of_podm(context, selected)
    podms = context.registry.all(PodManager)
    if node is not None:
        found = only_node(find_by_name(context.registry.all(StoredNode), node), node)
        if found:
            matches = [podm for podm in podms if podm.uuid == found.podm_id]
            if not matches:
                raise InvalidInput(f"Node {node!r} is on an EEM that is not registered. Set `url` to reach it.")
            return target_of_podm(context, matches[0])
    if len(podms) == 1:
        return target_of_podm(context, podms[0])
    if devices is not None and podms:
        if node is not None and parse_card_id(node) is None and parse_uuid(node) is None:
            names = comma_list(sorted(found.name for found in context.registry.all(StoredNode)))
            existing = f". Existing nodes: {names}." if names else "; no nodes exist."
            raise NotStored(f"Node {node!r} does not exist{existing}")
        ids = {parse_card_id(text) or parse_uuid(text) for text in devices}
        known = (device for device in context.registry.all(StoredDevice) if {device.uuid, device.device_id} & ids)
        owners = {device.podm_id for device in known}
        matches = [podm for podm in podms if {podm.uuid} == owners]
        if matches:
            return target_of_podm(context, matches[0])
    if not podms:
        raise InvalidInput(
            "No pod manager is registered. Register one with expether_podm and set `podm` to its name, or set `url`."
        )
    names = comma_list(sorted(podm.name for podm in podms))
    raise InvalidInput(f"Several pod managers are registered ({names}). Set `podm` to one of them.")


def target_of_podm(context: Context, podm: PodManager) -> Target:
    """Return the EEM of a registered pod manager.

    :raises ExpetherError: as `podm_settings`
    """
    return Target(podm.uuid, podm.name, podm_settings(context, podm), context.registry)


def _target_or_error(context: Context, podm: PodManager) -> Target:
    """Return the EEM of a registered pod manager. An error is kept in it, so that other EEMs are still read."""
    try:
        return target_of_podm(context, podm)
    except MissingLibrary:
        raise
    except ExpetherError as error:
        return Target(podm.uuid, podm.name, Settings(podm.url), context.registry, error)


def _identified(context: Context, where: Target) -> Target:
    """Return an EEM as the pod manager whose cards it lists. If its URL is not registered, this costs a request.

    :raises EemError: it does not list them
    """
    if where.owners is None:
        return where
    with Client(where.settings) as client:
        try:
            return where.identified({card for card in listed_ids(client) if card})
        finally:
            context.warn(client.waited)


def target_of_url(context: Context, url: str, names_needed: bool) -> Target:
    """Return the EEM at a URL, as the pod manager that is registered with this URL, if any.

    If none is, `Target.identified` finds it by the cards. A task without names works without a registry: an unusable
    registry is only an error if the user chose it.
    """
    settings, podm_id = settings_for_url(context, url), unregistered_podm_uuid(url)
    registry: Registry | None = None
    owners: Owners | None = None
    try:
        registry = context.registry
        podms = registry.all(PodManager)
        nodes = registry.all(StoredNode)
        has_nodes = any(node.podm_id == podm_id for node in nodes)
        if (podms or nodes) and not (has_nodes or any(podm.url == url for podm in podms)):
            owners = Owners(registry)
    except RegistryError:
        if names_needed or context.is_registry_named:
            raise
        registry, podms, has_nodes = None, [], False
    for podm in podms:
        if podm.url == url:
            return Target(podm.uuid, podm.name, settings, registry)
    # For an unregistered EEM the registry is only used if it stores nodes of it, or if the task names one.
    return Target(podm_id, None, settings, registry if names_needed or has_nodes else None, owners=owners)
