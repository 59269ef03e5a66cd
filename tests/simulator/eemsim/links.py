# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a card that follow from another card: ports of an EESV, the other end of an EEIO. Pure.

How EEM keeps them is an inference [?] from captured records [hw]: a port can remember an EEIO that is down or in another
group, and an EEIO without an EESV shows a zero MAC address. Keys that a record does not have are never added to it: old
cards report only a few.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import cards


def link_eesv(eesv: cards.Record, eeios: Iterable[cards.Record]) -> bool:
    """Bring an EESV's ports in step with the EEIOs of its group; tell if anything changed."""
    ports = eesv.get("downstream_ports")
    if not isinstance(ports, list):
        return False
    ports = [port for port in ports if isinstance(port, dict)]
    alive = cards.answers(eesv)
    here = [cards.mac_of(eeio) for eeio in eeios if alive and cards.answers(eeio)]
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
    """A port that remembers nothing; failing that, one whose memory is of a card not connected now."""
    for port in ports:
        if port.get("eeio_mac_address", cards.ZERO_MAC) == cards.ZERO_MAC:
            return port
    for port in ports:
        if port.get("eeio_mac_address") not in here:
            return port
    return None


def link_eeio(eeio: cards.Record, eesv: cards.Record | None) -> bool:
    """Bring an EEIO's view of the other end in step; tell if anything changed."""
    joined = eesv is not None and cards.answers(eesv) and cards.answers(eeio)
    wanted = {
        "eesv_connection_status": "up" if joined else "down",
        "eesv_mac_address": cards.mac_of(eesv) if joined and eesv is not None else cards.ZERO_MAC,
    }
    for number in "01":
        wanted[f"path_status{number}"] = eeio.get(f"link_status{number}", "down") if joined else "down"
    changed = False
    for key, value in wanted.items():
        if key in eeio and eeio[key] != value:
            eeio[key] = value
            changed = True
    return changed
