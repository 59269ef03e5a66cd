# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry's documents: which keys they have, how results show them, and how they are found.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotFound
from ansible_collections.nec.expether.plugins.module_utils._model.names import PCI_NAMES, comma_list, parse_uuid, same_name
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_properties
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._registry.schema import CONNECTION
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Body, Change, Document, Registry
from ansible_collections.nec.expether.plugins.module_utils._results.pci_ids import PciNames, StoredNames

#: How to reach a pod manager, besides its URL and credentials; remembered with it.
CONNECTION_KEYS = tuple(CONNECTION)

PODM_KEYS = (
    "name",
    "url",
    "username",
    "description",
    "location",
    "connection",
    "status",
    "api_version",
    "last_sync",
    "last_error",
    "systems",
    "free_slots",
    "created_at",
    "updated_at",
)
FLAVOR_KEYS = ("name", "description", "properties", "created_at", "updated_at")


def podm_view(uuid: str, body: Body) -> Body:
    """Return a pod manager as in C(podms): all but its password."""
    shown = {key: body.get(key) for key in PODM_KEYS}
    # Earlier versions stored an empty text where today none is.
    words = {key: shown[key] or None for key in ("description", "location")}
    version = shown["api_version"]
    # Earlier versions stored it as it came.
    words["api_version"] = printable(version) if isinstance(version, str) else version
    return {"uuid": uuid, "driver": "expether", **shown, **words}


def flavor_view(uuid: str, body: Body) -> Body:
    """Return a flavor as in C(flavors)."""
    shown = {key: body.get(key) for key in FLAVOR_KEYS}
    return {
        "uuid": uuid,
        **shown,
        "description": shown["description"] or None,
        "properties": _stored_properties(shown["properties"]),
    }


def _stored_properties(properties: t.Any) -> t.Any:
    """Return a flavor's properties in their normal form: PCI ids were once taken as numbers.

    What somebody else wrote is shown as it is, and refused where it is used.
    """
    entries = properties.get("devices") if isinstance(properties, dict) else None
    if isinstance(entries, list):
        properties = {**properties, "devices": [_stored_entry(entry) for entry in entries]}
    try:
        return normal_properties(properties)
    except InvalidInput:
        return properties


def _stored_entry(entry: t.Any) -> t.Any:
    if not isinstance(entry, dict):
        return entry
    ids = {key: str(entry[key]) for key in ("vendor_id", "device_id") if type(entry.get(key)) is int}
    return {**entry, **ids}


#: What is looked up when a remembered device is shown.
_SHOWN_KEYS = ("node", "podm", "synced_at")


def device_body(view: Body, known: Body | None, now: str | None = None) -> Body:
    """Return the document of a device that EEM lists from its view: all but what is looked up when it is shown.

    :param known: its document so far, whose history is kept
    :param now: since when a device is known that was not so far
    """
    body = {key: value for key, value in view.items() if key not in _SHOWN_KEYS}
    body["first_seen_at"] = known.get("first_seen_at") if known else now
    return body


def remembered_device(device: Body, podm: Body | None, node: str | None) -> Body:
    """Return a device as in C(devices), from its document and that of its pod manager.

    :param podm: C(None) if the EEM is not registered
    :param node: the name of the node that has the device
    """
    asked = podm["last_sync"] if podm else None
    return {
        **device,
        "podm": podm["name"] if podm else None,
        "node": node,
        "synced_at": asked,
        "last_seen_at": device.get("last_seen_at") or asked,
    }


def named(documents: t.Iterable[Document], wanted: str) -> list[Document]:
    """Return the documents with that name or UUID; a name that fits exactly comes before one in another case."""
    found = [document for document in documents if same_name(document.body["name"], wanted)]
    exact = [document for document in found if document.body["name"] == wanted]
    uuid = parse_uuid(wanted)
    return exact or found or [document for document in documents if document.uuid == uuid]


def find_podm(registry: Registry, wanted: str) -> Document:
    """Return a registered pod manager by its name or UUID.

    :raises NotFound: there is none
    """
    documents = registry.all("pod_managers")
    found = named(documents, wanted)
    if found:
        return found[0]
    raise NotFound(
        f"No pod manager {wanted!r} is registered in {registry.path}; {_there(documents)} expether_podm registers one.",
    )


def find_flavor(registry: Registry, wanted: str) -> Document:
    """Return a flavor by its name or UUID.

    :raises NotFound: there is none
    """
    documents = registry.all("flavors")
    found = named(documents, wanted)
    if found:
        return found[0]
    raise NotFound(f"There is no flavor {wanted!r}; {_there(documents)} expether_flavor makes one.")


def find_nodes(documents: t.Sequence[Document], wanted: str) -> list[Document]:
    """Return the nodes that a name, UUID or EESV id means, among these documents."""
    found = named(documents, wanted)
    index = parse_card_id(wanted)
    return found or [document for document in documents if document.body["index"] == index]


def only_node(found: t.Sequence[Document], wanted: str) -> Document | None:
    """Return the node of C(find_nodes), or C(None).

    :raises InvalidInput: several pod managers have a node of that name
    """
    if len(found) > 1:
        raise InvalidInput(
            f"{wanted!r} is a node of several pod managers: say with podm which one is meant, or give its UUID."
        )
    return found[0] if found else None


def _there(documents: t.Sequence[Document]) -> str:
    names = comma_list(sorted(document.body["name"] for document in documents))
    return f"there {'are' if len(documents) > 1 else 'is'} {names}." if names else "there is none."


def stored_pci_names(registry: Registry) -> StoredNames | None:
    """Return the names of PCI vendors and devices that the registry stores.

    :raises RegistryError: the registry cannot be read
    """
    found = registry.get("pci_names", PCI_NAMES)
    if found is None:
        return None
    return StoredNames(found.body["version"], {key: (names[0], names[1]) for key, names in found.body["names"].items()})


def pci_names_changes(pci_names: PciNames) -> list[Change]:
    """Return the change that stores the names that a run has read in the list, if it has."""
    learned = pci_names.learned
    if learned is None:
        return []
    body = {"version": learned.version, "names": {key: list(names) for key, names in learned.names.items()}}
    return [Change("pci_names", PCI_NAMES, body, None)]
