# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""Reads a dump of the etcd of OpenStack Valence. Private to the collection.

What is known of it comes from Valence's source, `valence/db/models.py` and `etcd_driver.py`: the keys `/pod_managers/UUID`,
`/nodes/UUID` and `/flavors/UUID` have JSON objects, with a password as plain text. Its client, python-etcd, uses version 2 of
etcd's API, whose keys version 3 does not show; after a migration they are there. Dumps of both versions are read.
"""

from __future__ import annotations

import json
import typing as t
from base64 import b64decode

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import (
    check_name,
    check_node_name,
    comma_list,
    flavor_uuid,
    has_half_characters,
    node_uuid,
    podm_uuid,
    unregistered_podm_uuid,
)
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_properties
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._model.urls import eem_url
from ansible_collections.nec.expether.plugins.module_utils._registry.records import (
    Flavor,
    PodManager,
    RegisteredUrl,
    StoredNode,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, Body, Record

_DRIVER = "expether"
_FOLDERS = ("pod_managers", "nodes", "flavors")


class ValenceContent(t.NamedTuple):
    """What a dump has.

    :ivar records: as the modules store it, but without passwords
    :ivar passwords: the plain password of each pod manager by the UUID of its record
    :ivar left_out: sentences about what cannot be taken over as it is
    """

    records: list[Record]
    passwords: dict[str, str | None]
    left_out: list[str]


def read_dump(text: str, connection: t.Mapping[str, t.Any], now: str) -> ValenceContent:
    """Return the pod managers with the driver `expether`, their nodes, and the flavors of a dump.

    :param text: what `etcdctl get --prefix / -w json`, or `/v2/keys/?recursive=true`, prints
    :param connection: the connection options to store with pod managers
    :param now: when they are stored, as in documents
    :raises InvalidInput: the text is no such dump, or a value in it cannot be used
    """
    objects = _objects(text)
    found = ValenceContent([], {}, [])
    podms = _add_podms(found, objects["pod_managers"], connection, now)
    _add_nodes(found, objects["nodes"], podms, now)
    _add_flavors(found, objects["flavors"], now)
    return found


def _objects(text: str) -> dict[str, dict[str, Body]]:
    """Return the objects in a dump by folder and UUID."""
    found: dict[str, dict[str, Body]] = {folder: {} for folder in _FOLDERS}
    try:
        dump = json.loads(text)
        # An answer without a pair has only a header.
        is_v3 = "header" in dump or "kvs" in dump
        pairs = list(_pairs_of_v3(dump.get("kvs", ())) if is_v3 else _pairs_of_v2(dump["node"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Without the error, which may quote the text.
        raise InvalidInput(
            "The file in `valence_dump` is not a dump of Valence's etcd: it must be the JSON that `etcdctl get --prefix /"
            " -w json` or the URL /v2/keys/?recursive=true returns."
        ) from None
    for key, value in pairs:
        folder, dummy, uuid = key.strip("/").partition("/")
        if folder in found:
            try:
                body = json.loads(value)
            except (ValueError, RecursionError):
                body = None
            if not isinstance(body, dict) or not isinstance(body.get("name"), str):
                raise InvalidInput(
                    f"The value of {printable(key)} in `valence_dump` is not an object of Valence with a name."
                )
            found[folder][uuid] = body
    if not any(found.values()):
        raise InvalidInput(
            "The file in `valence_dump` has none of /pod_managers/, /nodes/ and /flavors/, which Valence writes. It writes"
            " with version 2 of etcd's API, whose keys are in the URL /v2/keys/?recursive=true only."
        )
    return found


def _pairs_of_v3(pairs: t.Iterable[t.Mapping[str, str]]) -> t.Iterator[tuple[str, str | bytes]]:
    for pair in pairs:
        # Other programs that use the same etcd may store anything but text.
        yield b64decode(pair["key"]).decode(errors="replace"), b64decode(pair.get("value", ""))


def _pairs_of_v2(node: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str | bytes]]:
    if node.get("dir"):
        for inner in node.get("nodes", ()):
            yield from _pairs_of_v2(inner)
    else:
        yield str(node["key"]), str(node["value"])


def _add_podms(
    found: ValenceContent, objects: t.Mapping[str, Body], connection: t.Mapping[str, t.Any], now: str
) -> dict[str, PodManager | None]:
    """Add the pod managers; return them by Valence's UUID, with `None` for those of other drivers."""
    podms: dict[str, PodManager | None] = {}
    for uuid, body in objects.items():
        if body.get("driver") != _DRIVER:
            podms[uuid] = None
            found.left_out.append(f"Pod manager {printable(body['name'])} has another driver than {_DRIVER}.")
            continue
        try:
            name, url = check_name(body["name"], "pod manager"), eem_url(str(body.get("url")))
            username, password = _credentials(body)
        except InvalidInput as error:
            raise InvalidInput(f"Pod manager {printable(body['name'])} in `valence_dump`: {error.message}") from None
        texts = {key: printable(value) if isinstance(value := body.get(key), str) and value else None for key in _TEXTS}
        podm = PodManager(
            uuid=podm_uuid(name),
            revision=NEVER,
            name=name,
            url=url,
            username=username,
            password=None,
            connection=dict(connection),
            status="Unknown",
            api_version=None,
            last_sync=None,
            last_error=None,
            systems=None,
            free_slots=None,
            degraded_since=None,
            created_at=now,
            updated_at=now,
            **texts,
        )
        for other in filter(None, podms.values()):
            if podm.uuid == other.uuid or podm.url == other.url:
                raise InvalidInput(
                    f"`valence_dump` has two pod managers {comma_list(sorted({podm.name, other.name}))} with one name or URL."
                    " Delete one of them in Valence, then make another dump."
                )
        podms[uuid] = podm
        found.passwords[podm.uuid] = password
        found.records.extend((podm, RegisteredUrl(unregistered_podm_uuid(url), NEVER, podm.uuid)))
    return podms


_TEXTS = ("description", "location")


def _credentials(body: Body) -> tuple[str | None, str | None]:
    """Return user name and password of a pod manager; both are `None` if it has none for HTTP Basic.

    :raises InvalidInput: HTTP cannot send them
    """
    ways = body.get("authentication")
    for way in ways if isinstance(ways, list) else ():
        items = way.get("auth_items") if isinstance(way, dict) and way.get("type") == "basic" else None
        if (
            isinstance(items, dict)
            and isinstance(items.get("username"), str)
            and isinstance(items.get("password"), str)
        ):
            username, password = items["username"], items["password"]
            if any("\0" in text or has_half_characters(text) for text in (username, password)):
                raise InvalidInput("its user name or password contains an invalid character (NUL or invalid UTF-8).")
            return (username, password) if username else (None, None)
    return None, None


def _add_nodes(
    found: ValenceContent, objects: t.Mapping[str, Body], podms: t.Mapping[str, PodManager | None], now: str
) -> None:
    """Add the nodes of the pod managers. A name that cannot be used is replaced by the EEM id of the system."""
    taken: set[str] = set()
    for body in objects.values():
        shown, podm = printable(body["name"]), podms.get(str(body.get("podm_id")))
        if podm is None:
            found.left_out.append(f"Node {shown} is not of a pod manager with the driver {_DRIVER}.")
            continue
        system_id = parse_card_id(str(body.get("index")))
        if system_id is None:
            raise InvalidInput(f"The index of node {shown} in `valence_dump` is not the EEM id of a system.")
        name = body["name"]
        try:
            name, why = check_node_name(name, system_id), "another node has this name"
        except InvalidInput as error:
            name, why = system_id, error.message.rstrip(".")
        if node_uuid(podm.uuid, name) in taken:
            name = system_id
        if name != body["name"]:
            found.left_out.append(f"Node {shown} of pod manager {podm.name} is called {name}: {why}.")
        uuid = node_uuid(podm.uuid, name)
        if {uuid, f"{podm.uuid} {system_id}"} & taken:
            found.left_out.append(f"Node {shown} is on system {system_id}, which is another node already.")
            continue
        taken |= {uuid, f"{podm.uuid} {system_id}"}
        found.records.append(StoredNode(uuid, NEVER, name, podm.uuid, system_id, "managed", None, now, now))


def _add_flavors(found: ValenceContent, objects: t.Mapping[str, Body], now: str) -> None:
    """Add the flavors, with their devices only."""
    taken: set[str] = set()
    for body in objects.values():
        shown, properties = printable(body["name"]), body.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        try:
            name = check_name(body["name"], "flavor")
            devices = normal_properties({"pci_device": properties.get("pci_device")})
        except InvalidInput as error:
            found.left_out.append(f"Flavor {shown} requests no devices, or cannot be used: {error.message}")
            continue
        if flavor_uuid(name) in taken:
            found.left_out.append(f"Flavor {shown}: another flavor has this name.")
            continue
        taken.add(flavor_uuid(name))
        ignored = sorted(key for key, value in properties.items() if key != "pci_device" and value)
        if ignored:
            found.left_out.append(f"Flavor {shown} has no {comma_list(ignored)} any more: ExpEther cannot compose it.")
        found.records.append(Flavor(flavor_uuid(name), NEVER, name, None, devices, now, now))
