# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sweep does: each state and action of each module that changes something, on a small fleet. Pure."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulator"))

from eemsim.fleet import Fleet
from episode import Options
from generation import FLAVOR

#: Systems in the groups 17 and 18 and one without a group; free GPU, SSD, NIC, GPU, SSD, NIC.
FLEET: Options = {"style": "plain", "eesv": 3, "eeio": 6, "seed": 1, "no_group": 1}
_RECORDS = Fleet.read(FLEET).records()
S0, S1, S2 = sorted(card["id"] for card in _RECORDS if card["status"] == "eesv")
D0, D1, D2, D3, D4, D5 = sorted(card["id"] for card in _RECORDS if card["status"] == "eeio")
_MAC = {card["id"]: card["mac_address"] for card in _RECORDS}
SILENT: Options = {"notification_status0": ["down", "down"], "notification_status1": ["down", "down"]}
STORED_PORT = {"downstream_port_id": "0", "eeio_connection_status": "down", "eeio_mac_address": _MAC[D5]}
#: A device and a system that an operation without its own uses.
SPARE = (D0, S0)


class Operation(t.NamedTuple):
    """A run, the runs and changes of cards that prepare it, and the device and the system that others change behind it.

    ``eem``: options of the EEM. ``spelled``: as of `Run`.
    """

    name: str
    module: str
    options: Options
    before: tuple[tuple[str, Options], ...] = ()
    patches: t.Mapping[str, Options] = {}
    concerned: tuple[str, str] | None = None
    registered: bool = True
    eem: Options = {}
    spelled: bool = False


def _properties(*kinds: str) -> Options:
    return {"properties": {"devices": [{"type": kind, "count": kinds.count(kind)} for kind in dict.fromkeys(kinds)]}}


def _node(*kinds: str, **more: t.Any) -> tuple[str, Options]:
    return "expether_node", {"name": "a", **(_properties(*kinds) if kinds else {}), **more}


def _layout(*nodes: Options) -> tuple[str, Options]:
    """A layout of which the plan is the only one: what a node does not request leaves it, or goes to another one."""
    return "expether_layout", {"nodes": list(nodes), "purge": True, "move": True, "release_others": True}


def _attached(system: str, *devices: str, **more: t.Any) -> tuple[str, Options]:
    return "expether_device_attach", {"node": system, "devices": list(devices), **more}


def _detached(*devices: str, **more: t.Any) -> tuple[str, Options]:
    return "expether_device_attach", {"state": "detached", "devices": list(devices), **more}


def _action(device: str, action: str, **more: t.Any) -> tuple[str, Options]:
    return "expether_device_action", {"device": device, "action": action, **more}


def _device(device: str, **more: t.Any) -> tuple[str, Options]:
    return "expether_device", {"device": device, **more}


_PODM = "expether_podm"
_FLAVOR = "expether_flavor"
_GPU_AND_SSD = _node("GPU", "SSD")
OPERATIONS = (
    Operation("compose", *_node("GPU", "SSD")),
    Operation("compose on a system without a group", *_node("GPU", "SSD", node_index=S2), concerned=(D0, S2)),
    Operation("compose a flavor", *_node(flavor=FLAVOR["name"])),
    Operation("extend a node", *_node("GPU", "GPU"), before=(_node("GPU"),), concerned=(D3, S0)),
    Operation("purge a node", *_node("NIC", purge=True), before=(_GPU_AND_SSD,)),
    Operation(
        "lay out two nodes that exchange devices, and a new one on the system of a released one",
        *_layout(
            {"name": "a", **_properties("GPU", "GPU")},
            {"name": "b", **_properties("SSD", "NIC")},
            {"name": "new", "node_index": S2, **_properties("SSD")},
        ),
        before=(
            _layout(
                {"name": "a", "node_index": S0, **_properties("GPU", "SSD")},
                {"name": "b", "node_index": S1, **_properties("NIC", "GPU")},
                {"name": "c", "node_index": S2, **_properties("NIC")},
            ),
        ),
        concerned=(D1, S1),
    ),
    Operation("adopt", *_node(node_index=S0, state="managed"), before=(_attached(S0, D0, D1),)),
    Operation("release", *_node(state="absent"), before=(_GPU_AND_SSD,)),
    Operation("release without detaching", *_node(state="absent", detach_devices=False), before=(_GPU_AND_SSD,)),
    Operation(
        "release a system that got a group",
        *_node(state="absent"),
        before=(_node("GPU", node_index=S2),),
        concerned=(D0, S2),
    ),
    Operation(
        "release a system that was given another group",
        *_node(state="absent"),
        before=(_GPU_AND_SSD,),
        patches={S0: {"group_id": "30"}},
    ),
    Operation(
        "release a node without its silent device",
        *_node(state="absent", skip_silent=True),
        before=(_GPU_AND_SSD,),
        patches={D1: SILENT},
    ),
    Operation("attach", *_attached(S0, D0, D1)),
    Operation("attach to a system without a group", *_attached(S2, D0), concerned=(D0, S2)),
    Operation("move", *_attached(S1, D0, D1, move=True), before=(_attached(S0, D0),), concerned=(D0, S1)),
    Operation("detach", *_detached(D0, D1), before=(_attached(S0, D0, D1),)),
    *(
        Operation(f"attach with links that come {name}", *_attached(S0, D0, D1), eem={"link": link})
        for name, link in (("late", "late"), ("after an audit", "audit"))
    ),
    Operation("compose with links that stay down", *_node("GPU", "SSD"), eem={"link": "never"}),
    Operation("compose by another spelling of the URL", *_node("GPU", "SSD"), spelled=True),
    Operation("release by another spelling of the URL", *_node(state="absent"), before=(_GPU_AND_SSD,), spelled=True),
    Operation(
        "detach beside a silent device",
        *_detached(D0, D1, skip_silent=True),
        before=(_attached(S0, D0, D1),),
        patches={D0: SILENT},
        concerned=(D1, S0),
    ),
    *(
        Operation(
            f"replace a silent device{name}",
            *_node("GPU", replace_silent=True),
            before=(_node("GPU"),),
            patches={D0: SILENT},
            concerned=(D3, S0),
            eem={"silent_change": silent},
        )
        for name, silent in ((" that stays", "refuse"), (" that EEM lets go", "accept"))
    ),
    Operation("locate", *_device(D0, uid_led="on")),
    Operation("forget a device", *_device(D5, state="absent"), patches={D5: SILENT}, concerned=(D5, S0)),
    Operation("forget a system by force", *_device(S1, state="absent", force=True), concerned=(D0, S1)),
    Operation("audit", *_action(D0, "audit")),
    Operation("reset", *_action(D0, "reset")),
    Operation("reset frame", *_action(S0, "reset_frame")),
    Operation(
        "forget a port", *_action(S0, "forget_port", port="0"), patches={S0: {"downstream_ports": [STORED_PORT]}}
    ),
    Operation("register", _PODM, {"state": "present"}, registered=False),
    Operation("describe a pod manager", _PODM, {"state": "present", "description": "rack 1"}),
    Operation("remove a pod manager", _PODM, {"state": "absent"}),
    Operation(
        "remove a pod manager with its nodes", _PODM, {"state": "absent", "cascade": True}, before=(_GPU_AND_SSD,)
    ),
    Operation(
        "remove a pod manager with a silent device",
        _PODM,
        {"state": "absent", "cascade": True, "skip_silent": True},
        before=(_GPU_AND_SSD,),
        patches={D0: SILENT},
        concerned=(D1, S0),
    ),
    Operation("define a flavor", _FLAVOR, {**FLAVOR, "name": "other"}),
    Operation("remove a flavor", _FLAVOR, {"name": FLAVOR["name"], "state": "absent"}),
    Operation("synchronise", "expether_sync", {}, before=(_GPU_AND_SSD,)),
)
