# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
"""Nodes, and how names are resolved. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.cards import parse_card_id
from ansible_collections.nec.expether.plugins.module_utils._model.names import parse_uuid, same_name

NodeState = t.Literal["composing", "composed", "managed"]


class Node(t.NamedTuple):
    """A node: a system that was composed or adopted, under a name.

    :ivar system_id: the EESV id; results call it `index`
    :ivar group_id: last known group id of the system. If EEM forgets the system, its devices are found by this id.
    """

    uuid: str
    name: str
    system_id: str
    state: NodeState
    group_id: str | None = None


class Named(t.Protocol):
    """Anything with a name chosen by users: a pod manager, a node, a flavor."""

    @property
    def uuid(self) -> str:
        """Its UUID."""

    @property
    def name(self) -> str:
        """Its name."""


AnyNamed = t.TypeVar("AnyNamed", bound=Named)


def find_by_name(things: t.Iterable[AnyNamed], wanted: str) -> list[AnyNamed]:
    """Return the things that a text names: by exact name, else by name in any case, else by UUID or EESV id.

    Several are returned only if nodes of several pod managers have the same name.
    """
    things = list(things)
    matching = [thing for thing in things if same_name(thing.name, wanted)]
    exact = [thing for thing in matching if thing.name == wanted]
    if exact or matching:
        return exact or matching
    uuid, card_id = parse_uuid(wanted), parse_card_id(wanted)
    return [
        thing
        for thing in things
        if (uuid is not None and thing.uuid == uuid)
        or (card_id is not None and getattr(thing, "system_id", None) == card_id)
    ]
