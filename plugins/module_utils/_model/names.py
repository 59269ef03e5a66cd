# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and derived UUIDs. Pure. Private to the collection.

UUIDs are UUIDv5, derived from what they identify, so every controller, check mode and a rebuilt registry give the same
thing the same id. Names are compared without case and after Unicode normalisation: an é may be one character or two.
"""

from __future__ import annotations

import hashlib
import typing as t
import unicodedata
import uuid

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:nec.expether")
MAX_NAME = 255
#: The UUID of the one document of a registry with the names of PCI vendors and devices.
PCI_NAMES = str(uuid.uuid5(_NAMESPACE, "pci_names"))
#: The UUID of the one document of a registry that every registration of a pod manager writes.
REGISTRATIONS = str(uuid.uuid5(_NAMESPACE, "registrations"))


def composed(text: str) -> str:
    """Return a text in the Unicode form NFC, the form in which names are stored."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def name_key(name: str) -> str:
    """Return the key by which names are compared: two names with the same key are the same name."""
    # Case folding may decompose characters.
    return composed(composed(name).casefold())


def podm_uuid(name: str) -> str:
    """Return the UUID of a pod manager of that name."""
    return str(uuid.uuid5(_NAMESPACE, f"podm:{name_key(name)}"))


def unregistered_podm_uuid(url: str) -> str:
    """Return the UUID for an EEM that is used by its URL without being registered."""
    return str(uuid.uuid5(_NAMESPACE, f"url:{url}"))


def flavor_uuid(name: str) -> str:
    """Return the UUID of a flavor of that name."""
    return str(uuid.uuid5(_NAMESPACE, f"flavor:{name_key(name)}"))


def node_uuid(podm: str, name: str) -> str:
    """Return the UUID of a node of that name on the pod manager with that UUID."""
    return str(uuid.uuid5(uuid.UUID(podm), f"node:{name_key(name)}"))


def device_uuid(podm: uuid.UUID, device_id: str) -> str:
    """Return the UUID of the device with that EEM id of the pod manager with that UUID."""
    # The same as str(uuid.uuid5(...)), without creating an object, because a listing needs thousands.
    digest = hashlib.sha1(podm.bytes + b"device:" + device_id.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def parse_uuid(text: str) -> str | None:
    """Return a UUID in its usual form, or `None` if the text is not a UUID."""
    try:
        return str(uuid.UUID(text)) if len(text) >= 32 else None
    except ValueError:
        return None


def has_half_characters(text: str) -> bool:
    """Whether a text contains half of a surrogate pair, which is how Python represents invalid UTF-8."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def check_name(name: str, what: str) -> str:
    """Return a new name in the form in which it is stored, or refuse it.

    :raises InvalidInput: it is empty or too long, contains invisible characters, or looks like a UUID
    """
    name = composed(name)
    if not name.strip() or name != name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(
            f"{name[:MAX_NAME]!r} cannot be the name of a {what}: a name has 1 to {MAX_NAME} visible characters and"
            " does not begin or end with a space."
        )
    if parse_uuid(name):
        raise InvalidInput(f"{name!r} cannot be the name of a {what}: it would be mistaken for a UUID.")
    return name


def check_node_name(name: str, system_id: str) -> str:
    """Return the name of a node on that system. A name that looks like an EEM id must be the id of this system.

    :raises InvalidInput: as `check_name`, or the name is the id of another card
    """
    other = parse_card_id(name)
    if other is not None and other != system_id:
        raise InvalidInput(
            f"{name!r} cannot be the name of a node on system {system_id}: it would be mistaken for the id of a card."
        )
    return check_name(name, "node")


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same name."""
    return name_key(one) == name_key(other)


def comma_list(things: t.Iterable[str], most: int = 12) -> str:
    """Return up to `most` things as an enumeration for a sentence, with the number of the others."""
    all_things = list(things)
    shown = ", ".join(all_things[:most])
    return f"{shown} and {len(all_things) - most} more" if len(all_things) > most else shown
