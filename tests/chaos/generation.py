# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An episode from a seed. Pure: the same seed gives the same episode.

Seeds that follow each other go through all kinds of faults alone (seed modulo their number), and with each further
turn through their pairs.
"""

from __future__ import annotations

import dataclasses
import random
import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulator"))

from eemsim.fleet import Fleet
from eemsim.options import OPTIONS
from episode import Episode, Fault, Foreign, Kill, Options, Round, Run
from faults import KINDS, fault

NAMES = ("a", "b", "c", "d")
TYPES = ("GPU", "SSD", "NIC")
FLAVOR = {"name": "small", "properties": {"devices": [{"type": "GPU"}, {"type": "SSD"}]}}
WAYS = (*(["podm"] * 8), "two podms", "two podms", "url", "url and names")
FREE = "4093"
_DRAWN = ("enforce", "conditional")

#: Options of the EEM with the values that are drawn first, in this order. Further options come from a second generator, so
#: that a new one changes no more of an episode than itself.
_FIRST_OPTIONS = {
    "change_answer": ("object", "empty", "none"),
    "empty_list": ("object", "empty-body", "204"),
    "time_type": ("kept", "string", "number", "mixed"),
    "silent_change": ("accept", "refuse"),
    "orphan_detach": ("accept", "refuse"),
    "repeat_delete": ("refuse", "accept"),
    "shared_group": ("refuse", "accept"),
    "group_pick": ("lowest", "highest", "random"),
    "peer_update_time": ("moves", "stays"),
}


def episode(seed: int) -> Episode:
    """The episode of a seed."""
    rng = random.Random(f"chaos {seed}")
    way = rng.choice(WAYS)
    timeout = rng.choice((1.0, 1.5))
    fleets = tuple(_fleet(rng, eem) for eem in range(2 if way == "two podms" else 1))
    maker = _Maker(rng, fleets, "podm" if way == "two podms" else way)
    rounds = []
    count = rng.choice((1, 2, 2, 3, 4))
    troubled = rng.randrange(count)  # the round that has the fault whose turn it is
    for number in range(count):
        runs = maker.runs(number, last=number == count - 1)
        faults = _faults(rng, seed, timeout, maker, number == troubled)
        ansible = rng.random() < 0.05
        if not ansible and rng.random() < 0.3:
            runs, faults = _with_kill(rng, runs, faults)
        foreign = tuple(maker.foreign() for dummy in range(rng.choice((1, 1, 2)))) if rng.random() < 0.12 else ()
        rounds.append(Round(runs, faults, foreign, ansible, settle=rng.random() < 0.7))
    options, retries, conditional = _eem_options(rng), rng.choice((1, 2, 2)), rng.random() < 0.9
    more, layouts = random.Random(f"chaos {seed} more"), random.Random(f"chaos {seed} layouts")
    return Episode(
        seed,
        fleets,
        {**options, **_more_options(more)},
        maker.reach,
        timeout,
        retries,
        tuple(_with_layouts(layouts, _with_more(more, each, maker)) for each in rounds),
        conditional,
    )


def _fleet(rng: random.Random, eem: int) -> Options:
    """Small fleets, so that runs get in each other's way."""
    seed = rng.randrange(1, 45) + 45 * eem  # less than 96 apart, so that no id is there twice
    if rng.random() < 0.25:
        return {"style": "mixed", "eesv": rng.randint(3, 9), "eeio": rng.randint(8, 26), "seed": seed, "no_group": 0}
    eesv = rng.randint(2, 5)
    return {"style": "plain", "eesv": eesv, "eeio": rng.randint(5, 16), "seed": seed, "no_group": rng.randint(0, eesv)}


def _eem_options(rng: random.Random) -> Options:
    """What is not known of EEM, drawn; enforce, conditional and what follows from them more often as expected."""
    options: Options = {
        "enforce": rng.choice(("strict", "strict", "none")),
        "conditional": rng.choice(("honour", "honour", "ignore", "refuse")),
    }
    for name, values in _FIRST_OPTIONS.items():
        if rng.random() < 0.5:
            options[name] = rng.choice(values)
    if rng.random() < 0.3:
        options["refusal_code"] = rng.choice(("40900", "40300", "42200", "50000"))
    if rng.random() < 0.3:
        options["latency_ms"] = rng.choice(("5", "30"))
    return options


def _more_options(rng: random.Random) -> Options:
    """What is not known of EEM either: options that came later."""
    names = [name for name, option in OPTIONS.items() if option.values and name not in {*_FIRST_OPTIONS, *_DRAWN}]
    return {name: rng.choice(OPTIONS[name].values) for name in names if rng.random() < 0.5}


def _with_more(rng: random.Random, each: Round, maker: _Maker) -> Round:
    """Add what came later: changes that are answered and not made, tasks with another URL of the EEM, further options."""
    faults = each.faults
    if rng.random() < 0.1:
        actions = ({"do": "status", "status": 200, "body": "{}"},)
        faults = (
            *faults,
            Fault(
                "200 without doing it",
                actions,
                rng.randrange(len(maker.fleets)),
                rng.choice(("PUT", "PUT", "DELETE")),
                ".",
                rng.choice((1, 1, 2, 3)),
                rng.choice((1, 1, 2)),
            ),
        )
    spelled = 0.1 if maker.reach == "podm" else 0.0
    runs = tuple(
        dataclasses.replace(run, options={**run.options, **_more_of(rng, run)}, spelled=rng.random() < spelled)
        for run in each.runs
    )
    return dataclasses.replace(each, runs=runs, faults=faults)


def _more_of(rng: random.Random, run: Run) -> Options:
    """Further options of a run: what becomes of devices that do not respond."""
    skipping = run.kind in ("absent", "detached", "removed") or run.options.get("purge")
    found: Options = {"skip_silent": True} if skipping and rng.random() < 0.3 else {}
    return {**found, "replace_silent": True} if run.kind == "compose" and rng.random() < 0.15 else found


def _with_layouts(rng: random.Random, each: Round) -> Round:
    """Replace some runs that compose a node by layouts that have it and others, again from a generator of their own."""
    return dataclasses.replace(
        each,
        runs=tuple(_as_layout(rng, run) if run.kind == "compose" and rng.random() < 0.25 else run for run in each.runs),
    )


def _as_layout(rng: random.Random, run: Run) -> Run:
    taken = ("name", "purge", "node_index", "flavor", "properties")
    nodes = [{key: run.options[key] for key in taken if key in run.options}]
    others = [name for name in NAMES if name != run.options["name"]]
    for name in rng.sample(others, rng.choice((0, 1, 1, 2, 3))):
        kinds = rng.sample(TYPES, rng.choice((1, 1, 2)))
        properties = {"devices": [{"type": kind, "count": rng.choice((1, 1, 2))} for kind in kinds]}
        nodes.append({"name": name, "properties": properties, "purge": rng.random() < 0.35})
    rng.shuffle(nodes)
    options = {key: rng.random() < share for key, share in (("move", 0.4), ("release_others", 0.2))}
    skipping = {"skip_silent": True} if run.options.get("skip_silent") else {}
    return dataclasses.replace(run, module="expether_layout", options={"nodes": nodes, **options, **skipping})


def _faults(rng: random.Random, seed: int, timeout: float, maker: _Maker, troubled: bool) -> tuple[Fault, ...]:
    kinds = []
    if troubled:
        kinds.append(KINDS[seed % len(KINDS)])
        if rng.random() < 0.5:
            kinds.append(KINDS[(seed // len(KINDS) + seed) % len(KINDS)])
    elif rng.random() < 0.3:
        kinds.append(rng.choice(KINDS))
    eem = rng.randrange(len(maker.fleets))
    return tuple(fault(kind, rng, timeout, maker.devices[eem], maker.groups[eem], eem) for kind in kinds)


def _with_kill(
    rng: random.Random, runs: tuple[Run, ...], faults: tuple[Fault, ...]
) -> tuple[tuple[Run, ...], tuple[Fault, ...]]:
    """Kill one of the runs, or two; a kill during a request needs one that takes its time."""
    for place in rng.sample(range(len(runs)), min(len(runs), rng.choice((1, 1, 2)))):
        at = rng.choice(("request", "request", "commit", "during", "time"))
        kill = Kill(
            at,
            rng.randint(1, 6 if at != "commit" else 3),
            rng.random() < 0.5,
            round(rng.uniform(0.02, 0.3) if at == "during" else rng.uniform(0.05, 1.5), 3),
        )
        run = runs[place]
        runs = (
            *runs[:place],
            Run(run.key, run.module, run.options, run.eem, run.check, run.start, kill),
            *runs[place + 1 :],
        )
        if at == "during":
            slow = {"do": "delay", "seconds": 0.4, "after": rng.random() < 0.5}
            faults = (
                *faults,
                Fault("delay for a kill", (slow,), run.eem, rng.choice(("PUT", "PUT", "DELETE")), "group_id$", 1, -1),
            )
    return runs, faults


def _answers(card: Options) -> bool:
    return any("up" in (card.get(key) or ()) for key in ("notification_status0", "notification_status1"))


class _Maker:
    """Makes runs and foreign changes that fit the fleets."""

    def __init__(self, rng: random.Random, fleets: t.Sequence[Options], reach: str) -> None:
        self._rng, self.fleets, self.reach = rng, fleets, reach
        records = [Fleet.read(fleet).records() for fleet in fleets]
        self.devices = [[card["id"] for card in cards if card["status"] == "eeio"] for cards in records]
        self.systems = [[card["id"] for card in cards if card["status"] == "eesv"] for cards in records]
        self.silent = [[card["id"] for card in cards if not _answers(card)] for cards in records]
        self.groups = [
            sorted({card["group_id"] for card in cards if card["status"] == "eesv"} - {"4094"}) or ["17"]
            for cards in records
        ]

    def runs(self, number: int, last: bool) -> tuple[Run, ...]:
        """The runs of a round; a pod manager is removed only in the last, for without it all others are refused."""
        return tuple(self._run(f"r{number}.{place}", last) for place in range(self._rng.choice((1, 1, 2, 2, 3, 4, 5))))

    def _run(self, key: str, last: bool) -> Run:
        rng = self._rng
        eem = rng.randrange(len(self.fleets))
        draw = rng.random()
        if draw < 0.1:
            return Run(key, *self._info(), eem=eem, start=round(rng.uniform(0, 0.5), 2))
        if draw < 0.22:
            module, options = self._ask(eem)
        elif self.reach == "url" or draw < 0.42:
            module, options = self._attach(eem)
        elif draw < 0.86:
            module, options = self._compose(eem)
        elif draw < 0.97:
            detach = {} if rng.random() < 0.8 else {"detach_devices": False}
            module, options = "expether_node", {"name": rng.choice(NAMES), "state": "absent", **detach}
        else:
            module, options = (
                "expether_podm",
                {"state": rng.choice(("present", "absent")) if last else "present", "cascade": True},
            )
            if self.reach != "podm" or rng.random() < 0.5:
                module, options = (
                    "expether_node",
                    {"state": "managed", "name": rng.choice(NAMES), "node_index": rng.choice(self.systems[eem])},
                )
        start = 0.0 if rng.random() < 0.6 else round(rng.uniform(0, 0.6), 2)
        return Run(key, module, options, eem, rng.random() < 0.07, start)

    def _info(self) -> tuple[str, Options]:
        modules = ("expether_device_info", "expether_system_info", "expether_node_info", "expether_podm_info")
        if self.reach != "podm":
            return self._rng.choice(modules[:2]), {}
        module = self._rng.choice((*modules, "expether_sync", "expether_sync"))
        return module, {"check": True} if module == "expether_podm_info" else {}

    def _attach(self, eem: int) -> tuple[str, Options]:
        rng = self._rng
        devices = rng.sample(self.devices[eem], min(len(self.devices[eem]), rng.choice((1, 2, 2, 3))))
        if rng.random() < 0.3:
            return "expether_device_attach", {"state": "detached", "devices": devices}
        return "expether_device_attach", {
            "node": rng.choice(self.systems[eem]),
            "devices": devices,
            "move": rng.random() < 0.5,
        }

    def _ask(self, eem: int) -> tuple[str, Options]:
        """A request to one card. Cards that do not respond are removed more often than others."""
        rng = self._rng
        device = rng.choice([*self.devices[eem], *self.systems[eem]])
        draw = rng.random()
        if draw < 0.4:
            return "expether_device", {"device": device, "uid_led": rng.choice(("on", "on", "off"))}
        if draw < 0.65:
            device = rng.choice(self.silent[eem]) if self.silent[eem] and rng.random() < 0.7 else device
            return "expether_device", {"device": device, "state": "absent", "force": rng.random() < 0.35}
        action = rng.choice(("audit", "reset", "reset", "reset_frame", "forget_port", "forget_port"))
        if action != "forget_port":
            return "expether_device_action", {"device": device, "action": action}
        return "expether_device_action", {
            "device": rng.choice(self.systems[eem]),
            "action": action,
            "port": str(rng.randint(0, 2)),
        }

    def _compose(self, eem: int) -> tuple[str, Options]:
        rng = self._rng
        options: Options = {"name": rng.choice(NAMES), "purge": rng.random() < 0.35}
        if rng.random() < 0.2:
            options["node_index"] = rng.choice(self.systems[eem])
        draw = rng.random()
        if draw < 0.15 and self.reach == "podm":
            options["flavor"] = FLAVOR["name"]
        elif draw < 0.4:
            options["properties"] = {"pci_device": {"type": [rng.choice(TYPES) for dummy in range(rng.randint(1, 4))]}}
        else:
            kinds = rng.sample(TYPES, rng.choice((1, 2, 2, 3)))
            options["properties"] = {"devices": [{"type": kind, "count": rng.choice((1, 1, 2, 3))} for kind in kinds]}
        return "expether_node", options

    def foreign(self) -> Foreign:
        """Somebody else's change."""
        rng = self._rng
        eem = rng.randrange(len(self.fleets))
        seconds, device = round(rng.uniform(0, 0.8), 2), rng.choice(self.devices[eem])
        draw = rng.random()
        if draw < 0.3:
            return Foreign(seconds, device, eem, method="DELETE")
        if draw < 0.55:
            return Foreign(seconds, device, eem, method="PUT", body={"group_id": rng.choice(self.groups[eem])})
        if draw < 0.7:
            return Foreign(seconds, device, eem, {"group_id": rng.choice([*self.groups[eem], FREE])})
        if draw < 0.8:
            return Foreign(seconds, device, eem)  # only its update_time moves
        if draw < 0.9:
            return Foreign(seconds, rng.choice(self.systems[eem]), eem, {"group_id": str(rng.randint(100, 110))})
        down = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
        return Foreign(seconds, device, eem, rng.choice((down, {"admin_status": "disabled"})))
