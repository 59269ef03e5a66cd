# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that are dictionaries, with the specification of their keys. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import TYPE_NAMES

_TYPES = list(TYPE_NAMES)

#: What devices a node should have. The fragment `properties` documents it. What must be set is checked by
#: `normal_properties`, because Ansible would report a missing key, and not the misspelt one.
PROPERTIES: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "pci_device": {
            "type": "dict",
            "options": {"type": {"type": "list", "elements": "str", "choices": _TYPES}},
        },
        "devices": {
            "type": "list",
            "elements": "dict",
            "options": {
                "type": {"type": "str", "choices": _TYPES},
                "count": {"type": "int"},
                "vendor_id": {"type": "str"},
                "pci_device_id": {"type": "str", "aliases": ["device_id"]},
                "model": {"type": "str"},
            },
        },
    },
}
