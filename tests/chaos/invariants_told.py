# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what runs told is true, judged by the simulators' own histories. Pure."""

from __future__ import annotations

import collections
import re
import typing as t

from episode import Options
from invariants_cards import Found, Violation
from story import FREE, Change, Story, Told

Move = tuple[str, str, str]
#: How a failure of an info module, or of a run without faults, may be called when it is nobody's fault but the EEM's.
OF_THE_EEM = ("unreachable", "connection_lost", "timeout", "unauthorized", "not_eem", "server_error", "eem_refused", "bad_record")
NOT_CHANGED = re.compile(r"Nothing was changed\.$")


def tells_a_reason(story: Story) -> Found:
    """Every run ends in time with a result; a failure has a sentence and a kind; no password is in it."""
    for told in story.told:
        about = f"{told.run.key} ({told.run.kind})"
        if told.hung:
            yield Violation("tells_a_reason", f"{about} did not end")
        elif told.result is None and not told.killed:
            yield Violation("tells_a_reason", f"{about} ended without a result: {told.output[-1500:]}")
        elif told.failed and not told.killed and not (told.failure_kind and re.search(r"[.?)!]$", told.message)):
            yield Violation("tells_a_reason", f"{about} failed without a reason: {told.message}")
        if "eemeem" in told.output:
            yield Violation("tells_a_reason", f"{about} shows the password")


def told_as_done(story: Story) -> Found:
    """What a run tells as done or undone was done or undone, and what it did is told, or told as not known."""
    for by, tellers in _tellers(story).items():
        if any(told.result is None for told in tellers):
            continue
        told, unknown = _told(tellers)
        own = collections.Counter((move.card, str(move.old), str(move.new)) for move in story.moves_by(by))
        if not (story.episode.claims or story.episode.guarded):
            # Where nothing keeps runs apart, a run cannot know from which group it took a card at that very moment.
            told, own = _without_old(told), _without_old(own)
        began, ended = min(each.began for each in tellers), max(each.ended for each in tellers)
        for card, old, new in (own - told).elements():
            if card not in unknown:
                yield Violation("told_as_done", f"{by} changed {card} from group {old} to {new} and did not tell it", (card,))
        for card, old, new in (told - own).elements():
            if not _came_about(story, (card, old, new), "" if len(tellers) > 1 else by, began, ended):
                yield Violation("told_as_done", f"{by} told that {card} was changed from group {old} to {new}; it was not", (card,))


def _without_old(moves: collections.Counter[Move]) -> collections.Counter[Move]:
    found: collections.Counter[Move] = collections.Counter()
    for (card, _old, new), count in moves.items():
        found[card, "", new] += count
    return found


def _tellers(story: Story) -> dict[str, list[Told]]:
    """The runs that did something as one: each alone, or all of one playbook."""
    found: dict[str, list[Told]] = collections.defaultdict(list)
    for told in story.told:
        if told.by and not told.run.check:
            found[told.by].append(told)
    return found


def _told(tellers: t.Iterable[Told]) -> tuple[collections.Counter[Move], set[str]]:
    moves: collections.Counter[Move] = collections.Counter()
    unknown = set()
    for teller in tellers:
        for row in teller.rows:
            card = row["device"] or row["node_id"]
            if row["status"] in ("done", "undone"):
                moves[card, row["from"], row["to"]] += 1
            if row["status"] == "undone":
                moves[card, row["to"], row["from"]] += 1
            if row["status"] == "failed":
                unknown.add(card)
    return moves, unknown


def _came_about(story: Story, move: Move, by: str, began: float, ended: float) -> bool:
    """Whether somebody else made it so: a device left its group, or came to the one that it was to have.

    The runs of one playbook cannot be told apart: there anybody may have been somebody else.
    """
    card, old, new = move
    others = [each for each in story.moves_of(card) if each.by != by and began <= each.time <= ended]
    return any(str(each.old) == old or str(each.new) == new for each in others)


def changed_is_true(story: Story) -> Found:
    """``changed`` says whether anything is changed now; "Nothing was changed" is said only when nothing is."""
    for told in story.told:
        if told.result is None or told.by != told.run.key or told.run.kind in ("info", "registered", "removed", "synced", "other"):
            continue
        net = _net(story.moves_by(told.by))
        claims_nothing = not told.result.get("changed") or NOT_CHANGED.search(told.message)
        if claims_nothing and net and not told.run.check:
            text = f"{told.by} says that nothing is changed ({told.message or 'changed: false'}), and left {net}"
            yield Violation("changed_is_true", text, tuple(sorted(net)))
        if NOT_CHANGED.search(told.message) and told.result.get("changed"):
            yield Violation("changed_is_true", f"{told.by} says changed: true and {told.message}")
        if not told.failed and bool(told.result.get("changed")) != bool(told.result.get("plan")):
            yield Violation("changed_is_true", f"{told.by} says changed: {told.result.get('changed')} with the plan {told.result.get('plan')}")
        statuses = {row["status"] for row in told.result.get("plan") or []}
        if not told.failed and not statuses <= ({"planned"} if told.run.check else {"done", "undone"}):
            yield Violation("changed_is_true", f"{told.by} succeeded, and its steps are {sorted(statuses)}")
        if told.failed and told.result.get("changed") and not statuses & {"done", "failed"}:
            yield Violation("changed_is_true", f"{told.by} says changed: true, and no step of its plan is done or failed: {told.message}")


def _net(moves: t.Sequence[Change]) -> dict[str, tuple[str, str]]:
    """What the moves of one run come to, by card."""
    found: dict[str, tuple[str, str]] = {}
    for move in moves:
        found[move.card] = (found.get(move.card, (str(move.old), ""))[0], str(move.new))
    return {card: ends for card, ends in found.items() if ends[0] != ends[1]}


def node_is_as_told(story: Story) -> Found:
    """A composed node has the devices that its run told, and all that were wished; with purge no more."""
    for told in story.told:
        node = (told.result or {}).get("node")
        if told.failed or told.run.check or told.run.kind != "compose" or not node or told.by != told.run.key:
            continue
        if _disturbed(story, told):
            continue
        eem = story.eem_of(node["index"])
        true = story.members(story.group_at(node["index"], told.ended), told.ended, eem)
        named = {device["device_id"] for device in node["devices"]}
        if named != true:
            yield Violation("node_is_as_told", f"{told.by} told that {node['name']} has {sorted(named)}; it has {sorted(true)}", tuple(named ^ true))
        wish = wanted_types(told.run.options)
        have = collections.Counter(story.type_of(card) for card in true)
        if any(have[kind] < count for kind, count in wish.items()) or told.run.options.get("purge") and len(true) != sum(wish.values()):
            yield Violation("node_is_as_told", f"{told.by} wished {dict(wish)} (purge: {told.run.options.get('purge')}) and {node['name']}"
                            f" has {dict(have)}", tuple(sorted(true)))


def _disturbed(story: Story, told: Told) -> bool:
    """Whether anybody else changed cards of that EEM while a run was at work: what it tells may be over already."""
    return any(change.by != told.by and told.began <= change.time <= told.ended and change.eem == told.run.eem for change in story.changes)


def wanted_types(options: Options) -> collections.Counter[str]:
    """What devices a task wishes, by type."""
    if options.get("flavor"):
        return collections.Counter(("GPU", "SSD"))
    properties = options.get("properties") or {}
    wish: collections.Counter[str] = collections.Counter(properties.get("pci_device", {}).get("type", ()))
    for each in properties.get("devices", ()):
        wish[each["type"]] += each.get("count", 1)
    return wish


def info_answers(story: Story) -> Found:
    """An info module fails only for the EEM's sake, or for a pod manager that is not registered; with all in order never."""
    removed = any(told.run.kind == "removed" for told in story.told)
    for told in story.told:
        if told.run.kind != "info" or told.result is None or not told.failed:
            continue
        alone = told.stage != "round"
        unregistered = told.failure_kind in ("not_found", "invalid") and removed and told.stage != "at the end"
        if not unregistered and (alone or told.failure_kind not in OF_THE_EEM):
            yield Violation("info_answers", f"{told.run.key} failed ({told.failure_kind}): {told.message}")


def info_is_true(story: Story) -> Found:
    """When nothing happens, the info modules tell the nodes of the registry and the devices of the EEM as they are."""
    for told in story.told:
        result = told.result or {}
        if told.run.kind != "info" or told.stage == "round" or told.failed:
            continue
        for device in result.get("devices", ()):
            true = story.group_at(device["device_id"], told.ended)
            if device["pooled_group_id"] != true or (device["state"] == "free") != (true == FREE):
                yield Violation("info_is_true", f"{told.run.key} told {device['state']} in group {device['pooled_group_id']} of"
                                f" {device['device_id']}, which is in {true}", (device["device_id"],))
        looks = [look for look in story.looks if look.time <= told.began]
        if "nodes" in result and looks and told.stage == "after the rounds":
            named = {(node["name"], node["index"], node["state"]) for node in result["nodes"]}
            true_nodes = {node[:3] for node in looks[-1].nodes if story.eem_of(node[1]) == told.run.eem}
            if named != true_nodes:
                yield Violation("info_is_true", f"{told.run.key} told the nodes {sorted(named)}; the registry has {sorted(true_nodes)}")
        seen = collections.Counter(device["device_id"] for node in result.get("nodes", ()) for device in node["devices"])
        double = [card for card, count in seen.items() if count > 1]
        if double and not any(story.is_foreign(card) for card in story.cards):
            yield Violation("info_is_true", f"{told.run.key} shows {double} in two nodes", tuple(double))


ALL = (tells_a_reason, told_as_done, changed_is_true, node_is_as_told, info_answers, info_is_true)
