# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and derived UUIDs. Pure. Private to the collection.

UUIDs are UUIDv5 of what a thing is, so that every controller, check mode and a rebuilt registry
give the same thing the same id. Names count without their case, and composed or decomposed: an é is one character or two.
"""

from __future__ import annotations

import hashlib
import typing as t
import unicodedata
import uuid
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:nec.expether")
MAX_NAME = 255
#: The document with the names of PCI vendors and devices, one in a registry.
PCI_NAMES = str(uuid.uuid5(_NAMESPACE, "pci_names"))


def composed(text: str) -> str:
    """Return a text in Unicode's form NFC, in which names are stored."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def name_key(name: str) -> str:
    """Return what is the same of two names that are one."""
    # Folding the case may decompose what was composed.
    return composed(composed(name).casefold())


def podm_uuid(name: str) -> str:
    """Return the UUID of a pod manager of that name."""
    return str(uuid.uuid5(_NAMESPACE, f"podm:{name_key(name)}"))


def unregistered_podm_uuid(url: str) -> str:
    """Return the UUID that stands for an EEM that is used by its URL and is not registered."""
    return str(uuid.uuid5(_NAMESPACE, f"url:{url}"))


def flavor_uuid(name: str) -> str:
    """Return the UUID of a flavor of that name."""
    return str(uuid.uuid5(_NAMESPACE, f"flavor:{name_key(name)}"))


def node_uuid(podm: str, name: str) -> str:
    """Return the UUID of a node of that name of the pod manager with that UUID."""
    return str(uuid.uuid5(uuid.UUID(podm), f"node:{name_key(name)}"))


def device_uuid(podm: uuid.UUID, device_id: str) -> str:
    """Return the UUID of the device with that EEM id of the pod manager with that UUID."""
    # What uuid.uuid5 and str do, without an object in between: thousands are asked for at once.
    digest = hashlib.sha1(podm.bytes + b"device:" + device_id.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def parse_uuid(text: str) -> str | None:
    """Return a UUID in its usual form, or C(None) if the text is none."""
    try:
        return str(uuid.UUID(text)) if len(text) >= 32 else None
    except ValueError:
        return None


def has_half_characters(text: str) -> bool:
    """Whether there is half of a pair of surrogates in a text, as which bytes come that are no UTF-8."""
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def check_name(name: str, what: str) -> str:
    """Return a new thing's name as it is stored, or refuse it.

    :raises InvalidInput: it is empty, too long, has characters that cannot be seen, or reads as an id
    """
    name = composed(name)
    if not name.strip() or name != name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(
            f"{name[:MAX_NAME]!r} cannot be the name of a {what}: a name has 1 to {MAX_NAME} characters that can be"
            " seen, and no space at its ends."
        )
    if parse_uuid(name):
        raise InvalidInput(f"{name!r} cannot be the name of a {what}: it would be taken for a UUID.")
    return name


def check_node_name(name: str, index: str) -> str:
    """Return the name of a node on that system: a name that reads as an EEM id must be this system's.

    :raises InvalidInput: as C(check_name), or the name is another card's id
    """
    other = parse_card_id(name)
    if other is not None and other != index:
        raise InvalidInput(
            f"{name!r} cannot be the name of a node on system {index}: it would be taken for a card's id."
        )
    return check_name(name, "node")


def same_name(one: str, other: str) -> bool:
    """Whether two names are one."""
    return name_key(one) == name_key(other)


def comma_list(things: t.Iterable[str], most: int = 12) -> str:
    """Return some things as a list within a sentence."""
    all_things = list(things)
    shown = ", ".join(all_things[:most])
    return f"{shown} and {len(all_things) - most} more" if len(all_things) > most else shown


def eem_url(text: str) -> str:
    """Return an EEM's base URL in one form: scheme and host in lower case, no slash at its end.

    :raises InvalidInput: it is no URL of HTTP, or has credentials, a query or a fragment in it
    """
    text = text.strip()
    # The text is not repeated in any message: one that is written wrongly may have a password anywhere.
    if "@" in text:
        raise InvalidInput(
            "url must not hold a user name or password, for URLs are shown in results and logs: use username and"
            " password."
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise InvalidInput("url cannot be read as a URL; it looks like http://HOST:30500/eem.") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or any(map(str.isspace, text)):
        raise InvalidInput("url is no URL of an EEM; it looks like http://HOST:30500/eem.")
    if parts.query or parts.fragment:
        raise InvalidInput("url has a query or a fragment; it looks like http://HOST:30500/eem.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.rstrip(".")
    usual = {"http": 80, "https": 443}[parts.scheme.lower()]
    place = host if port in (None, usual) else f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), place, parts.path.rstrip("/"), "", ""))


