# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries a plan out: claims, changes, verifies, undoes, remembers. Private to the collection."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._claims import WHOLE, Claims, lease_of, waited_for
from ansible_collections.nec.expether.plugins.module_utils._client import Client
from ansible_collections.nec.expether.plugins.module_utils._errors import ExpetherError, Refused
from ansible_collections.nec.expether.plugins.module_utils._executor_card import perform_at_card
from ansible_collections.nec.expether.plugins.module_utils._executor_nodes import Draft, Nodes
from ansible_collections.nec.expether.plugins.module_utils._executor_steps import (
    OutcomeUnknown,
    Row,
    Stale,
    Undone,
    check_group_is_ours,
    perform,
    undo_all,
)
from ansible_collections.nec.expether.plugins.module_utils._fabric import Fabric
from ansible_collections.nec.expether.plugins.module_utils._interruption import settle, stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._names import listed
from ansible_collections.nec.expether.plugins.module_utils._plan import Node, Plan, World, nodes_after
from ansible_collections.nec.expether.plugins.module_utils._records import FREE_GROUP, Card, parse
from ansible_collections.nec.expether.plugins.module_utils._registry import Change, Registry, RegistryConflict, RegistryError
from ansible_collections.nec.expether.plugins.module_utils._registry_swap import until_written

STALE_PAUSE = 0.2  # seconds before a plan is made again; doubled each time
EMPTY_PAUSE = 1.0  # seconds between two looks at an EEM that does not list all of its cards yet


class Outcome(t.NamedTuple):
    """What came of a plan, or in check mode would come.

    :ivar world: what the plan was made from, before
    :ivar plan: all steps but those that were undone, also those of earlier plans of this run
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

    def __init__(self, cause: ExpetherError, message: str, rows: list[dict[str, t.Any]], changed: bool) -> None:
        super().__init__(message, code=cause.code, http_status=cause.http_status, url=cause.url, details=cause.details)
        self.kind = cause.kind
        self.rows = rows
        self.changed = changed


class ClaimsLost(ExpetherError):
    """Another run goes on with what this one held."""

    kind = "claims_lost"


class Executor:
    """Runs plans at one EEM.

    :param registry: C(None) if the EEM is used by its URL and no names are needed; then EEM's own rules and
        its conditional changes are the only protection from other runs
    :param what: what the run does, for other runs that wait for it
    :param more_changes: further changes of the registry in the last transaction, from the outcome
    :param whole: whether no other run may change anything of this pod manager meanwhile
    """

    def __init__(
        self,
        client: Client,
        podm_id: str,
        registry: Registry | None,
        what: str,
        more_changes: t.Callable[[Outcome], t.Sequence[Change]] | None = None,
        whole: bool = False,
    ) -> None:
        self._client = client
        self._whole = whole
        self._podm_id = podm_id
        self._registry = registry
        self._more_changes = more_changes
        self._patience = client.patience
        self._claims = Claims(registry, podm_id, what, lease_of(client.settings)) if registry else None
        self._nodes = Nodes(registry, podm_id) if registry else None
        self._claimed = False
        self._rows: list[Row] = []
        self._first: World | None = None
        self._stale: Row | None = None
        #: What the run waited for, as sentences.
        self.waited: list[str] = []

    def run(self, draft: t.Callable[[World], Draft], check_mode: bool = False) -> Outcome:
        """Make a plan from what is there now and carry it out; make it again when what is there has changed.

        :raises Failed: something was changed or may have been, and the message says what is left of it
        :raises ExpetherError: nothing was changed
        """
        again = self._client.settings.retries
        while True:
            try:
                return until_written(lambda: self._attempt(draft, check_mode))
            except Refused as error:
                if not error.waits_for or not self._wait(error):
                    self._fail(error)
            except Stale as error:
                pause = STALE_PAUSE * 2 ** (self._client.settings.retries - again)
                # Two runs that disturbed each other shall not do so again in step.
                if not again or not self._patience.pause(pause * random.uniform(0.5, 1.5)):  # noqa: S311
                    if self._stale:
                        self._stale.status = "failed"
                    self._fail(error)
                self.waited.append(f"Planned again: {error.message}")
                again -= 1
            except ExpetherError as error:
                self._fail(error)

    def _attempt(self, draft: t.Callable[[World], Draft], check_mode: bool) -> Outcome:
        stop_if_interrupted()
        epoch, world = self._look(clean=not check_mode)
        self._first = self._first or world
        made = draft(world)
        if check_mode or not (made.plan or self._claimed):
            return self._outcome(world, made)
        self._check_not_taken(made.plan)
        self._claim(epoch, world, made)
        self._carry_out(world, made.plan)
        return self._finish(world, made)

    def _look(self, clean: bool) -> tuple[int, World]:
        """Return the epoch of the claims and all that a plan is made from.

        The claims are read first and the fabric last: whoever changes the fabric after it was listed has
        either claims that are seen here, or makes an epoch that is seen when ours are taken.
        """
        epoch, held = self._claims.look(clean) if self._claims else (0, {})
        in_the_way = held if self._whole else {key: who for key, who in held.items() if key == WHOLE}
        if in_the_way:
            raise Refused(
                f"The pod manager is being changed by {listed(sorted(set(in_the_way.values())))}.",
                waits_for=in_the_way,
            )
        nodes = self._nodes.read() if self._nodes else {}
        return epoch, World(self._whole_fabric(), nodes, held)

    def _whole_fabric(self) -> Fabric:
        """Return the snapshot; an EEM that has just started and does not list its cards yet is waited for.

        :raises Refused: it does not list them although all patience was spent
        """
        while True:
            fabric = Fabric.from_records(self._client.devices_detail().devices)
            missing = self._not_listed_yet(fabric)
            if not missing:
                return fabric
            self.waited.append(f"Waited for EEM to list {missing}, as it may have just started.")
            if not self._patience.pause(EMPTY_PAUSE):
                raise Refused(
                    f"EEM does not list {missing}; it may have just started. Give the same task again when it does."
                )

    def _not_listed_yet(self, fabric: Fabric) -> str:
        """Return what a list lacks so that it cannot be planned from, as a phrase.

        Before the run has seen any list that is only one without any card, although the registry knows cards.
        Later it is one that has lost a card which this run has changed, or most cards.
        """
        listed_now = fabric.systems.keys() | fabric.devices.keys()
        if self._first is None:
            known = self._nodes.known_cards() if self._nodes and not listed_now else set()
            return "any of the cards that it had" if known else ""
        first = self._first.fabric
        known = first.systems.keys() | first.devices.keys()
        lost = known - listed_now
        mine = sorted(lost & {row.step.card for row in self._rows if row.status == "done"})
        if mine:
            return f"{listed(mine)}, which this run has changed"
        return f"{len(lost)} of {len(known)} cards that it listed before" if 2 * len(lost) > len(known) else ""

    def _check_not_taken(self, plan: Plan) -> None:
        """Refuse to take a card away from whoever got it since this run began.

        :raises Refused: a device is in a group that it was not in then and that this run did not give it
        """
        first = t.cast(World, self._first).fabric.devices
        given = {(row.step.card, row.step.new) for row in self._rows if row.status == "done"}
        for step in plan:
            card = first.get(step.device or "") if step.action == "detach" else None
            if card and step.old != card.group_id and (card.id, step.old) not in given:
                raise Refused(
                    f"Device {card.id} was in group {card.group_id} when this run began and is in group {step.old} now:"
                    " somebody else has taken it."
                )

    def _wait(self, error: Refused) -> bool:
        """Wait until another run gives back what stood in the way; return whether it did in time.

        A run that has changed hardware does not wait, for it holds what it has changed.
        """
        if not self._claims or not self._nodes:
            return False
        if self._claimed:
            changed = any(row.status == "done" for row in self._rows if row.step.asked)
            if changed or self._give_back(begun=False, restore=True):
                return False
            self._claimed = False
            self._nodes.begin_anew()
        self.waited.append(waited_for(error.waits_for))
        return self._claims.wait_for(error.waits_for, self._patience)

    def _claim(self, epoch: int, world: World, made: Draft) -> None:
        """Claim all that the plan changes, and remember its node as C(composing) before the first change."""
        if self._claims and self._nodes:
            keys = {key for step in made.plan for key in (step.device, step.node_id) if key}
            keys |= {step.new for step in made.plan if step.action == "set_group" and step.new}
            keys |= {WHOLE} if self._whole else set()
            changes = self._nodes.begin(world, made)
            revision = self._claims.take(epoch, keys, changes)
            self._claimed = True
            self._nodes.begun(made, changes, revision)

    def _carry_out(self, world: World, plan: Plan) -> None:
        fabric = world.fabric
        # What earlier plans did to cards stays; what they were to do is planned anew.
        self._rows = [row for row in self._rows if row.step.asked and row.status != "planned"]
        rows = []
        for step in plan:
            card = fabric.card(step.asked)
            rows.append(Row(step, card.update_time if card else None))
        self._rows += rows
        for place, row in enumerate(rows):
            if row.step.asked is None:
                continue
            stop_if_interrupted()
            if self._claims and not self._claims.renew():
                raise ClaimsLost(
                    "The claims of this run had expired, and another run has taken them over: what this run has done"
                    " so far is the other's now, and was not undone."
                )
            try:
                (perform if row.step.card else perform_at_card)(self._client, row)
            except Stale:
                self._stale = row
                raise
            except ExpetherError as error:
                row.status = "failed"
                row.unknown = error if isinstance(error, OutcomeUnknown) else None
                raise
            row.status = "done"
            if row.step.action == "set_group":
                check_group_is_ours(self._client, row)
            if row.step.action == "audit":
                row.read = parse(self._client.device(row.step.asked))
            for later in rows[place + 1 :]:  # a move: the card is detached, then attached
                if later.step.card == row.step.card:
                    later.update_time = row.update_time
        stop_if_interrupted()

    def _finish(self, world: World, made: Draft) -> Outcome:
        """Remember the nodes and devices as they are now, and give the claims back."""
        if self._claims and self._nodes:
            changes = self._nodes.finish(made)
            changes += self._more_changes(self._outcome(world, made)) if self._more_changes else ()
            self._claims.release(changed=True, with_changes=changes)
        for row in self._rows:
            if row.status == "planned":  # what the registry remembers or forgets
                row.status = "done"
        return self._outcome(world, made)

    def _outcome(self, world: World, made: Draft) -> Outcome:
        rows = self._rows or [Row(step) for step in made.plan]
        times = {row.step.card: row.update_time for row in self._rows}
        cards = {step.card: (step.new or FREE_GROUP, times.get(step.card)) for step in made.plan if step.card}
        later: dict[str, Card | None] = {row.read.id: row.read for row in rows if row.read}
        later |= {step.asked: None for step in made.plan if step.action == "forget_card" and step.asked}
        return Outcome(
            self._first or world,
            tuple(row.step for row in rows if row.status != "undone"),
            [row.view() for row in rows],
            world.fabric.changed(cards).read_later(later),
            nodes_after(world.nodes, made.plan, made.node),
        )

    def _fail(self, error: ExpetherError) -> t.NoReturn:
        """Undo what was done, give the claims back, and say what is left.

        :raises ExpetherError: the error, if no change was begun
        :raises Failed: the error with what was done and undone
        """
        settle()
        begun = any(row.status != "planned" for row in self._rows if row.step.asked)
        asked = [row.step for row in self._rows if row.status == "done" and row.step.asked and not row.step.card]
        kept = [f"{step.action} of {step.asked}" for step in asked]
        lost = isinstance(error, ClaimsLost)
        undone = Undone([], [], []) if lost else undo_all(self._client, self._rows, self._still_ours)
        changed = bool(undone.left or kept) or any(row.unknown for row in self._rows) or (lost and begun)
        sentences = [error.message]
        if undone.never:
            sentences.append(f"Read again later: unchanged so far is {listed(undone.never)}.")
        if kept:
            sentences.append(f"Done all the same: {listed(kept)}.")
        if undone.back:
            sentences.append(f"Undone: {listed(undone.back)}.")
        if undone.left:
            sentences.append(
                f"Could not be undone: {listed(undone.left)}. Run the same task again when EEM answers, or put these"
                " cards right with expether_device_attach."
            )
        if self._claimed and self._claims and self._nodes and not lost:
            problem = self._give_back(begun, restore=not changed)
            changed = changed or problem is not None
            sentences += [problem] if problem else []
        if not begun and not changed:
            raise error
        if not changed:
            sentences.append("So nothing is changed.")
        raise Failed(error, " ".join(sentences), [row.view() for row in self._rows], changed) from None

    def _still_ours(self) -> bool:
        """Whether no other run has taken over what this one claimed; as far as can be known."""
        try:
            return self._claims is None or not self._claimed or self._claims.renew()
        except RegistryError:
            return True  # the claims are younger than their lease, for they were renewed before each step

    def _give_back(self, begun: bool, restore: bool) -> str | None:
        """Give the claims back and put the nodes right; return what is left otherwise, as a sentence."""
        claims, nodes = t.cast(Claims, self._claims), t.cast(Nodes, self._nodes)
        problem = None
        try:
            try:
                claims.release(changed=begun, with_changes=nodes.restore() if restore else [])
            except RegistryConflict:  # somebody else has changed a node of this run: that one is theirs
                claims.release(changed=begun)
            names = nodes.left_composing()
        except ExpetherError as error:
            problem, names = f"The registry could not be put right: {error.message}", []
        if names:
            problem = f"Remembered as composing: {listed(names)}; give the same task again, or release it."
        for row in self._rows:
            if row.step.action == "remember" and row.status == "planned":
                row.status = "failed" if problem else "undone"
        return problem
