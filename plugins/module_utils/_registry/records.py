# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed records of the registry's documents. Private to the collection."""

from __future__ import annotations

from ansible_collections.nec.expether.plugins.module_utils._model.nodes import Node
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Document


def node_of(document: Document) -> Node:
    """Return the node of a registry's document."""
    body = document.body
    return Node(document.uuid, body["name"], body["index"], body["state"], body.get("group_id"))
