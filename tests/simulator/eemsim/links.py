# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a card that depend on another card: the ports of an EESV, and the connection fields of an EEIO. Pure.

EEM's behaviour is inferred [?] from captured records [hw]: a port can still store an EEIO that is down or in another
group, and an EEIO without an EESV shows a zero MAC address. Missing keys are never added, because old cards report only
a few.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import cards

LINK = "eesv_connection_status"


def link_eesv(eesv: cards.Record, eeios: Iterable[cards.Record]) -> bool:
    """Update the ports of an EESV from the EEIOs of its group, whose links are up to date. Return whether anything changed."""
    ports = eesv.get("downstream_ports")
    if not isinstance(ports, list):
        return False
    ports = [port for port in ports if isinstance(port, dict)]
    here = [cards.mac_of(eeio) for eeio in eeios if can_link(eeio, eesv) and eeio.get(LINK, "up") == "up"]
    before = [dict(port) for port in ports]
    known = {port.get("eeio_mac_address"): port for port in reversed(ports)}
    for mac in here:
        if mac not in known:
            port = _port_for_new(ports, here)
            if port is not None:
                port["eeio_mac_address"] = mac
    for port in ports:
        port["eeio_connection_status"] = "up" if port.get("eeio_mac_address") in here else "down"
    return before != ports


def _port_for_new(ports: list[dict[str, Any]], here: list[str]) -> dict[str, Any] | None:
    """Return an unused port, otherwise one whose stored card is not connected now."""
    for port in ports:
        if port.get("eeio_mac_address", cards.ZERO_MAC) == cards.ZERO_MAC:
            return port
    for port in ports:
        if port.get("eeio_mac_address") not in here:
            return port
    return None


def can_link(eeio: cards.Record, eesv: cards.Record | None) -> bool:
    """Whether there can be a link: both cards respond, and the host has power."""
    return eesv is not None and cards.responds(eesv) and cards.responds(eeio) and cards.has_power(eesv)


def is_linked(eeio: cards.Record, eesv: cards.Record) -> bool:
    """Whether an EEIO reports its link to this EESV up."""
    return eeio.get(LINK) == "up" and eeio.get("eesv_mac_address") == cards.mac_of(eesv)


def link_eeio(eeio: cards.Record, eesv: cards.Record | None) -> bool:
    """Update the connection fields of an EEIO. Return whether anything changed.

    :param eesv: the EESV to which its link is up, if any
    """
    joined = eesv is not None
    expected = {
        LINK: "up" if joined else "down",
        "eesv_mac_address": cards.mac_of(eesv) if eesv is not None else cards.ZERO_MAC,
    }
    for number in "01":
        expected[f"path_status{number}"] = eeio.get(f"link_status{number}", "down") if joined else "down"
    changed = False
    for key, value in expected.items():
        if key in eeio and eeio[key] != value:
            eeio[key] = value
            changed = True
    return changed
