# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The normal form of the URL of an EEM, by which URLs are stored and compared. Pure. Private to the collection.

Two spellings of one address have the same form. A name and its address do not; there the ids of the cards decide.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from urllib.parse import quote, urlsplit, urlunsplit

from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput

_EXAMPLE = "it must look like http://HOST:30500/eem"
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Characters of a path that need no percent escape, in addition to letters and digits (RFC 3986).
_IN_PATHS = "/-._~!$&'()*+,;=:@"
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})?")
#: A host, in which only an address in brackets may have a percent sign, and perhaps a port.
_NETLOC = re.compile(r"(\[[^][]*\]|[^][:%]*)(:[0-9]*)?")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]", re.ASCII)
_ZONE = re.compile("[A-Za-z0-9._~-]+", re.ASCII)


def eem_url(text: str) -> str:
    """Return the base URL of an EEM in its normal form.

    Scheme and host are in lower case, without default port and trailing dot or slash. IPv6 addresses have their shortest
    form, and an IPv4-mapped one is an IPv4 address; a zone is kept as it is, after `%25` (RFC 6874). In the path, dot
    segments are resolved, and only what needs a percent escape has one.

    :raises InvalidInput: it is not an HTTP URL, or it contains credentials, a query or a fragment
    """
    text = text.strip()
    # No message repeats the text, because a mistyped URL may contain a password anywhere.
    if "@" in text:
        raise InvalidInput(
            "`url` must not contain a user name or password, because URLs are shown in results and logs: use `username`"
            " and `password`."
        )
    try:
        parts = urlsplit(text)
        port, scheme = parts.port, parts.scheme.lower()
        path = _path(parts.path)
    except ValueError:
        raise InvalidInput(f"`url` cannot be parsed; {_EXAMPLE}.") from None
    name = parts.hostname or ""
    host = _ipv6(name) if parts.netloc.startswith("[") else name.rstrip(".")
    if scheme not in _DEFAULT_PORTS or not host or not _NETLOC.fullmatch(parts.netloc) or any(map(str.isspace, text)):
        raise InvalidInput(f"`url` is not the URL of an EEM; {_EXAMPLE}.")
    if parts.query or parts.fragment:
        raise InvalidInput(f"`url` has a query or a fragment; {_EXAMPLE}.")
    netloc = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    return urlunsplit((scheme, netloc, path, "", ""))


def split_zone(url: str) -> tuple[str, str | None]:
    """Return a URL in normal form without the zone of its IPv6 address, and the zone, or `None` if it has none.

    The zone means something on this host only: EEM and its certificate do not know it.
    """
    parts = urlsplit(url)
    address, mark, zone = parts.netloc.partition("%25")
    if not mark:
        return url, None
    zone, bracket, port = zone.partition("]")
    return urlunsplit(parts._replace(netloc=f"{address}{bracket}{port}")), zone


def _ipv6(text: str) -> str | None:
    """Return an IPv6 address as the host of a URL; `None` if it is not one.

    :raises InvalidInput: its zone cannot be the name or number of a network interface
    """
    address, mark, zone = text.partition("%")
    try:
        ip = ipaddress.IPv6Address(address)
    except ValueError:
        return None
    if not mark:
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"[{ip.compressed}]"
    # `%25` is the escaped percent sign, but `%25` alone is the interface with the number 25.
    zone = zone[2:] if zone.startswith("25") and zone != "25" else zone
    if not _ZONE.fullmatch(zone):
        raise InvalidInput(
            "The zone of the IPv6 address in `url` is not the name or number of a network interface; it must look like"
            " http://[fe80::1%25eth0]:30500/eem."
        )
    return f"[{ip.compressed}%25{zone}]"


def _path(text: str) -> str:
    """Return a path in normal form: `""`, or what begins and does not end with a slash."""
    segments: list[str] = []
    for segment in quote(_ESCAPE.sub(_escape, text), safe=f"{_IN_PATHS}%").split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    path = "/".join(segments).strip("/")
    return f"/{path}" if path else ""


def _escape(found: t.Match[str]) -> str:
    """Return a percent escape in normal form; an unreserved character has none, and a single percent sign gets one."""
    if found[1] is None:
        return "%25"
    char = chr(int(found[1], 16))
    return char if _UNRESERVED.match(char) else found[0].upper()
