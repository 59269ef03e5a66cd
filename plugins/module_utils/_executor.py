# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries a plan out: claims, changes, verifies, undoes, remembers. Private to the collection."""

from __future__ import annotations

import random
import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._claims import Claims
from ansible_collections.nec.expether.plugins.module_utils._client import Client
from ansible_collections.nec.expether.plugins.module_utils._errors import ExpetherError, Refused
from ansible_collections.nec.expether.plugins.module_utils._executor_steps import (
    OutcomeUnknown,
    Row,
    Stale,
    check_group_is_ours,
    perform,
    undo_all,
)
from ansible_collections.nec.expether.plugins.module_utils._fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._names import listed
from ansible_collections.nec.expether.plugins.module_utils._plan import (
    Node,
    NodeState,
    Plan,
    World,
    after,
    nodes_after,
)
from ansible_collections.nec.expether.plugins.module_utils._records import FREE_GROUP
from ansible_collections.nec.expether.plugins.module_utils._registry import (
    NEVER,
    Body,
    Change,
    Document,
    Registry,
    RegistryConflict,
    now_iso,
)

POLL = 0.2  # seconds between two looks at another run's claims
MARGIN = 30.0  # seconds that a claim outlasts the longest wait of the run that holds it


class Draft(t.NamedTuple):
    """A plan, and the node that it makes or changes, as it is afterwards."""

    plan: Plan
    node: Node | None = None


class Outcome(t.NamedTuple):
    """What came of a plan, or in check mode would come.

    :ivar world: what the plan was made from, before
    :ivar plan: all steps, also those of earlier plans of this run
    :ivar rows: the steps with their status
    :ivar fabric: the snapshot afterwards
    :ivar nodes: the nodes afterwards, by EESV id
    """

    world: World
    plan: Plan
    rows: list[dict[str, t.Any]]
    fabric: Fabric
    nodes: dict[str, Node]


class Failed(ExpetherError):
    """A change failed after it had begun.

    :ivar rows: the steps with what was done, undone and failed
    """

    def __init__(self, cause: ExpetherError, message: str, rows: list[dict[str, t.Any]]) -> None:
        super().__init__(message, code=cause.code, http_status=cause.http_status, url=cause.url, details=cause.details)
        self.kind = cause.kind
        self.rows = rows


def node_of(document: Document) -> Node:
    """Return the node of a registry's document."""
    body = document.body
    return Node(document.uuid, body["name"], body["index"], body["state"])


class Executor:
    """Runs plans at one EEM.

    :param registry: C(None) if the EEM is used by its URL and no names are needed; then EEM's own rules and
        its conditional changes are the only protection from other runs
    :param what: what the run does, for other runs that wait for it
    :param more_changes: further changes of the registry in the last transaction, from the outcome
    """

    def __init__(
        self,
        client: Client,
        podm_id: str,
        registry: Registry | None,
        what: str,
        more_changes: t.Callable[[Outcome], t.Sequence[Change]] | None = None,
    ) -> None:
        self._client = client
        self._podm_id = podm_id
        self._registry = registry
        self._more_changes = more_changes
        lease = client.settings.patience + MARGIN
        self._claims = Claims(registry, podm_id, what, lease) if registry else None
        self._nodes: dict[str, Document] = {}
        self._restore: dict[str, Document | None] = {}
        self._claimed = False
        self._rows: list[Row] = []
        #: What the run waited for, as sentences.
        self.waited: list[str] = []

    def run(self, draft: t.Callable[[World], Draft], check_mode: bool = False) -> Outcome:
        """Make a plan from what is there now and carry it out; make it again when what is there has changed.

        :raises Failed: something was changed or may have been, and the message says what is left of it
        :raises ExpetherError: nothing was changed
        """
        deadline = time.monotonic() + self._client.settings.patience
        again = self._client.settings.retries
        while True:
            try:
                epoch, world = self._look(clean=not check_mode)
                made = draft(world)
                if check_mode or not (made.plan or self._claimed):
                    return self._outcome(world, made.plan, made.node)
                self._claim(epoch, world, made)
                self._carry_out(world, made.plan)
                return self._finish(world, made)
            except RegistryConflict as error:
                if time.monotonic() > deadline:
                    self._fail(error)
                time.sleep(random.uniform(0.0, POLL))  # noqa: S311
            except Refused as error:
                if check_mode or not error.waits_for or time.monotonic() > deadline:
                    self._fail(error)
                self._wait(error, deadline)
            except Stale as error:
                if not again:
                    self._fail(error)
                again -= 1
                self.waited.append(f"Planned again: {error.message}")
            except ExpetherError as error:
                self._fail(error)

    def _look(self, clean: bool) -> tuple[int, World]:
        """Return the epoch of the claims and all that a plan is made from.

        The claims are read first and the fabric last: whoever changes the fabric after it was listed has
        either claims that are seen here, or makes an epoch that is seen when ours are taken.
        """
        epoch, held = self._claims.look(clean) if self._claims else (0, {})
        if self._registry:
            mine = (found for found in self._registry.all("nodes") if found.body["podm_id"] == self._podm_id)
            self._nodes = {found.body["index"]: found for found in mine}
        fabric = Fabric.from_records(self._client.devices_detail().devices)
        return epoch, World(fabric, {index: node_of(found) for index, found in self._nodes.items()}, held)

    def _wait(self, error: Refused, deadline: float) -> None:
        """Wait until another run gives back what stood in the way."""
        waits = listed(f"{key} held by {who}" for key, who in error.waits_for.items())
        self.waited.append(f"Waited for other runs: {waits}.")
        while self._claims and time.monotonic() < deadline:
            _epoch, held = self._claims.look()
            if any(held.get(key) != who for key, who in error.waits_for.items()):
                return
            time.sleep(POLL)

    def _claim(self, epoch: int, world: World, made: Draft) -> None:
        """Claim all that the plan changes, and remember its node as C(composing) before the first change."""
        if not self._claims:
            return
        keys = {key for step in made.plan for key in (step.card, step.node_id) if key}
        keys |= {step.new for step in made.plan if step.action == "set_group" and step.new}
        changes = []
        if made.node and any(step.action == "remember" for step in made.plan):
            hardware = any(step.card for step in made.plan)
            found = self._nodes.get(made.node.system)
            self._restore.setdefault(made.node.uuid, found)
            changes.append(
                Change(
                    "nodes",
                    made.node.uuid,
                    self._node_body(made, found, "composing" if hardware else made.node.state, world),
                    found.revision if found else NEVER,
                )
            )
        self._claims.take(epoch, keys, changes)
        self._claimed = True

    def _node_body(self, made: Draft, found: Document | None, state: NodeState, world: World) -> Body:
        node = t.cast(Node, made.node)
        group_id = after(world.fabric, made.plan).systems[node.system].group_id
        return {
            "created_at": now_iso(),
            **(found.body if found else {}),
            "name": node.name,
            "podm_id": self._podm_id,
            "index": node.system,
            "state": state,
            # For the day on which EEM does not list the system any more: its devices are stranded there.
            "group_id": group_id,
            "updated_at": now_iso(),
        }

    def _carry_out(self, world: World, plan: Plan) -> None:
        fabric = world.fabric
        self._rows = [row for row in self._rows if row.status != "planned"]
        rows = []
        for step in plan:
            card = fabric.devices.get(step.card or "") or fabric.systems.get(step.card or "")
            rows.append(Row(step, card.update_time if card else None))
        self._rows += rows
        for place, row in enumerate(rows):
            if row.step.card is None:
                continue
            if self._claims and not self._claims.renew():
                raise Stale("another run took this run's claims, for they had expired")
            try:
                perform(self._client, row)
            except Stale:
                raise
            except ExpetherError:
                row.status = "failed"
                raise
            row.status = "done"
            if row.step.action == "set_group":
                check_group_is_ours(self._client, row)
            for later in rows[place + 1 :]:  # a move: the card is detached, then attached
                if later.step.card == row.step.card:
                    later.update_time = row.update_time

    def _finish(self, world: World, made: Draft) -> Outcome:
        """Remember the node as it is now, and give the claims back."""
        for row in self._rows:
            if row.status == "planned":  # what the registry remembers or forgets
                row.status = "done"
        outcome = self._outcome(world, made.plan, made.node)
        if self._claims and self._registry:
            forgotten = (step.node_id for step in made.plan if step.action == "forget")
            changes = [
                Change("nodes", found.uuid, None, found.revision)
                for found in (self._nodes.get(index or "") for index in forgotten)
                if found
            ]
            current = self._registry.get("nodes", made.node.uuid) if made.node else None
            if made.node and current and current.body["state"] != made.node.state:
                body = {**current.body, "state": made.node.state, "updated_at": now_iso()}
                changes.append(Change("nodes", current.uuid, body, current.revision))
            changes += self._more_changes(outcome) if self._more_changes else ()
            self._claims.release(changed=True, with_changes=changes)
        return outcome

    def _outcome(self, world: World, plan: Plan, node: Node | None) -> Outcome:
        rows = self._rows or [Row(step) for step in plan]
        times = {row.step.card: row.update_time for row in self._rows}
        cards = {step.card: (step.new or FREE_GROUP, times.get(step.card)) for step in plan if step.card}
        return Outcome(
            world,
            tuple(row.step for row in rows),
            [row.view() for row in rows],
            world.fabric.changed(cards),
            nodes_after(world.nodes, plan, node),
        )

    def _fail(self, error: ExpetherError) -> t.NoReturn:
        """Undo what was done, give the claims back, and say what is left.

        :raises ExpetherError: the error, if no change was begun
        :raises Failed: the error with what was done and undone
        """
        begun = any(row.status != "planned" for row in self._rows if row.step.card)
        undone, left = undo_all(self._client, self._rows)
        sentences = [error.message]
        if undone:
            sentences.append(f"Undone: {listed(undone)}.")
        if left:
            sentences.append(
                f"Could not be undone: {listed(left)}. Run the same task again when EEM answers, or put these cards"
                " right with expether_device_attach."
            )
        unknown = isinstance(error, OutcomeUnknown)
        if begun and not left and not unknown:
            sentences.append("So nothing is changed.")
        if self._claimed and self._claims and self._registry:
            try:
                self._claims.release(changed=begun, with_changes=[] if left or unknown else self._restored())
            except ExpetherError as second:
                sentences.append(f"The registry could not be put right: {second.message}")
        if not begun:
            raise error
        raise Failed(error, " ".join(sentences), [row.view() for row in self._rows]) from None

    def _restored(self) -> list[Change]:
        """Return the changes that make the nodes of this run what they were before it."""
        return [Change("nodes", uuid, found.body if found else None, None) for uuid, found in self._restore.items()]
