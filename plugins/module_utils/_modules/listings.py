# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists the cards of several EEMs at the same time. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Context
from ansible_collections.nec.expether.plugins.module_utils._ansible.target import Target
from ansible_collections.nec.expether.plugins.module_utils._eem.client import Client
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import Interrupted, stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.parallel import side_by_side
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._registry.last_nodes import last_nodes
from ansible_collections.nec.expether.plugins.module_utils._registry.records import StoredNode
from ansible_collections.nec.expether.plugins.module_utils._results.cards import Views


class Listing(t.NamedTuple):
    """What an EEM lists.

    :ivar nodes: the stored nodes of its pod manager
    :ivar views: shows its cards and nodes
    """

    fabric: Fabric
    nodes: list[StoredNode]
    views: Views


def list_fabrics(
    context: Context,
    wheres: t.Sequence[Target],
    note_error: t.Callable[[Target, ExpetherError], None] = lambda _where, _error: None,
) -> list[tuple[Target, Listing | ExpetherError]]:
    """Ask each EEM once. Return it, as the pod manager whose cards it lists, with its listing or the error it ended in.

    :param note_error: called for each EEM that fails, also if the registry then cannot be read
    :raises ExpetherError: the registry cannot be read, or a signal ended the run
    """

    def ask(where: Target) -> tuple[Fabric, list[str]]:
        if where.error is not None:
            raise where.error
        with Client(where.settings) as client:
            return Fabric.from_records(client.devices_detail()), client.waited

    found: list[tuple[Target, Listing | ExpetherError]] = []
    answers = side_by_side(wheres, ask)
    for where, answer in answers:
        if isinstance(answer, ExpetherError):
            note_error(where, answer)
        if isinstance(answer, Interrupted):  # raised here because another event source may have called `resume` since
            raise answer
    stop_if_interrupted()
    for where, answer in answers:
        if isinstance(answer, ExpetherError):
            found.append((where, answer))
            continue
        fabric, waited = answer
        context.warn(waited)
        where = where.identified(fabric.systems.keys() | fabric.devices.keys())
        nodes = where.registry.of_podm(StoredNode, where.podm_id) if where.registry else []
        names = {node.system_id: node.name for node in nodes}
        on_systems = {node.system_id: node.node() for node in nodes}
        last = last_nodes(where.registry, where.podm_id, fabric, on_systems) if where.registry else {}
        found.append((where, Listing(fabric, nodes, Views(where.podm_id, where.podm, names, context.pci_names, last))))
    return found
