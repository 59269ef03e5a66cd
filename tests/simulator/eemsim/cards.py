# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read single records of cards. All functions are pure and accept any record, including broken ones.

Marks name the source of a fact in the EEM interface notes: [hw] was seen in a response of real hardware, [nec] is how
NEC's own clients behave, [drv] is how the Valence driver behaves, and [?] is an inference.
"""

from __future__ import annotations

from typing import Any

FREE = "4093"
"""Group id of an EEIO that belongs to nobody [nec][drv][hw]."""

UNSET = "4094"
"""Group id of an EESV that has no group of its own yet [nec][drv]."""

NOBODY = (FREE, UNSET)
LOWEST, HIGHEST = 16, 4092
"""Group ids that software may assign [nec]; 1 to 15 come from the card's rotary switch [hw]."""

ZERO_MAC = "00:00:00:00:00:00"

Record = dict[str, Any]


def has_id(record: Any) -> bool:
    """Whether a record has an id. A deliberately broken record without one can only be listed."""
    return isinstance(record, dict) and isinstance(record.get("id"), str) and record["id"] != ""


def is_eesv(record: Any) -> bool:
    return isinstance(record, dict) and record.get("status") == "eesv"


def is_eeio(record: Any) -> bool:
    return isinstance(record, dict) and record.get("status") == "eeio"


def group_of(record: Any) -> str | None:
    """The group id as text, whatever type a hand-written record gives it."""
    value = record.get("group_id") if isinstance(record, dict) else None
    return None if value is None else str(value)


def responds(record: Record) -> bool:
    """A card responds if any value of either notification status is `up`: two entries each, for two paths [nec]."""
    for key in ("notification_status0", "notification_status1"):
        values = record.get(key)
        if values == "up" or isinstance(values, (list, tuple)) and "up" in values:
            return True
    return False


def has_power(eesv: Record) -> bool:
    """Whether the host of an EESV has power. A card that does not report it counts as one with power [?]."""
    return bool(eesv.get("power_status") != "off")


def enabled(record: Record) -> bool:
    """Only a card with both states `enabled` accepts changes [nec]. A card that reports no state counts as enabled [?]."""
    return all(record.get(key, "enabled") == "enabled" for key in ("admin_status", "monitoring_status"))


def mac_of(record: Record) -> str:
    """The card's MAC address; the id is the same digits without colons [hw]."""
    mac = record.get("mac_address")
    if isinstance(mac, str) and mac:
        return mac.lower()
    digits = str(record.get("id", ""))[2:].lower()
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def rotary_of(record: Record) -> str:
    """Position of the rotary switch: the group id if it is 1 to 15 [hw], otherwise 0 [?]."""
    group = group_of(record) or ""
    return group if group.isdigit() and 1 <= int(group) < LOWEST else "0"


def max_devices(record: Record) -> int:
    """How many EEIOs an EESV can have: the reported number, otherwise 16 for 40G cards and 8 for older ones [hw][drv]."""
    try:
        return int(record["max_eeio_count"])
    except (KeyError, TypeError, ValueError):
        return 16 if record.get("type") == "40g" else 8


def time_of(record: Any) -> int:
    """`update_time` in milliseconds. Hardware reports it as text or as a number [hw]."""
    try:
        return int(record["update_time"])
    except (KeyError, TypeError, ValueError):
        return 0
