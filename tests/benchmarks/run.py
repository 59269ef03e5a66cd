#!/usr/bin/env python
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of the modules: wall-clock ratios and peak memory of the processes that Ansible starts, in one run.

Each figure is the best of several alternating runs, so that a busy machine slows all of them equally. Times are printed
without judgement; the exit status only depends on the memory limit. Requests are counted in the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulator"))
sys.path.insert(0, str(ROOT / "tests"))

import etcd
from eemsim.client import Simulator
from postgresql import Server, why_not

EMPTY_MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(argument_spec={}, supports_check_mode=True).exit_json(changed=False)
"""
BARE = """
import requests
response = requests.get({url!r}, auth=("admin", "eemeem"), headers={{"Accept": "application/json"}}, timeout=30)
assert len(response.json()["devices"]) == {cards}
"""
COUNT = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredListing
from ansible_collections.nec.expether.plugins.module_utils._registry.location import open_registry
from ansible_collections.nec.expether.plugins.module_utils._registry.store import NEVER, put
from ansible_collections.nec.expether.plugins.module_utils._registry.swap import until_written
registry = open_registry(sys.argv[2])
def count():
    found = registry.get(StoredListing, "n") or StoredListing("n", NEVER, None, 0)
    registry.commit([put(found._replace(devices=found.devices + 1))])
registry.get(StoredListing, "n")
print("ready", flush=True)
sys.stdin.read()
for _time in range(20):
    until_written(count, pause=0.01)
registry.close()
"""
PLAN = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import conftest
from ansible_collections.nec.expether.plugins.module_utils._planning.layout import plan_layout
from ansible_collections.nec.expether.tests.unit.plugins.module_utils.layouts import CASES, large_pod
def cost(observed, request):
    began = time.process_time()
    plan_layout(observed, request)
    return time.process_time() - began
def best(case, nodes):
    pod = large_pod(case, nodes)
    return min(cost(*pod) for _run in range(3))
print(json.dumps({case: [best(case, nodes) for nodes in map(int, sys.argv[2:])] for case in CASES}))
"""

# Times a bare GET and JSON parse, beyond an empty module.
LISTING_LIMIT = 3.0
SYNC_LIMIT = 2.0
FIRST_SYNC_LIMIT = 4.0
MANY, MANY_LIMIT = 20, 3.0  # number of EEMs, and limit as a multiple of the time for one EEM beyond an empty module
LATENCY_MS = 50
SIZES = (100, 1000, 10000)
GROWTH_LIMIT = 10.0  # ten times the devices may take at most ten times as long; more would not be linear
MEMORY_LIMIT_MB = 150
REGISTRY_LIMIT = 1.5  # an unchanged synchronisation and a listing in another registry, as a multiple of those in SQLite
TOGETHER = (1, 2, 4, 8)  # controllers that write at the same time
LAYOUT_NODES = 16  # composed with two devices each, in a loop and as a layout
LAYOUT_LIMIT = 0.5  # the layout, as a multiple of the loop
PODS = (16, 32, 64, 128, 256)  # numbers of systems, each of which becomes or is a node
PLAN_LIMIT = 1.0  # CPU seconds of the slowest plan

#: (module, options, check mode or not) -> the program that a host runs
Pack = Callable[..., list[str]]


class Cost(NamedTuple):
    """The best figures of several runs of one process."""

    seconds: float
    megabytes: float


def _once(command: list[str], environment: dict[str, str]) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def measure(
    commands: dict[str, list[str]], runs: int, before: Mapping[str, Callable[[], object]] = MappingProxyType({})
) -> dict[str, Cost]:
    """Return the best time and the highest memory of each command; the commands alternate.

    :param before: what is called before commands, and does not count
    """
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _run in range(runs + 1):  # the first run fills caches and does not count
        for name, command in commands.items():
            before.get(name, lambda: None)()
            found[name].append(_once(command, dict(os.environ)))
    return {
        name: Cost(min(cost.seconds for cost in costs[1:]), max(cost.megabytes for cost in costs[1:]))
        for name, costs in found.items()
    }


@contextlib.contextmanager
def payloads(folder: Path) -> Iterator[Pack]:
    """Yield a function that makes Ansible pack a module with its options, and returns the program that a host runs."""
    library = folder / "library"
    library.mkdir(parents=True)
    (library / "empty.py").write_text(EMPTY_MODULE, encoding="utf-8")

    def pack(module: str, options: dict[str, object], check: bool = False) -> list[str]:
        place = Path(tempfile.mkdtemp(dir=folder))
        environment = {
            **os.environ,
            "ANSIBLE_LIBRARY": str(library),
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "ANSIBLE_REMOTE_TMP": str(place),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_HOME": str(ROOT / ".ansible"),
        }
        command = [str(Path(sys.executable).with_name("ansible")), "localhost", "-c", "local", "-m", module]
        command += ["-e", f"ansible_python_interpreter={sys.executable}"]
        command += ["-a", json.dumps(options)] if options else []
        command += ["--check"] if check else []
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        found = list(place.glob("*/AnsiballZ_*.py"))
        if done.returncode or len(found) != 1:
            raise SystemExit(f"{module} could not be packed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return [sys.executable, str(found[0])]

    yield pack


def main() -> int:
    """Measure, print, and return whether the memory limit is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="expether-bench-"))
    try:
        return _bench(folder, arguments.devices, arguments.runs)
    finally:
        shutil.rmtree(folder)


def _bench(folder: Path, devices: int, runs: int) -> int:
    systems = max(1, devices // 20)
    registry = str(folder / "registry.sqlite3")
    stored: dict[str, object] = {"registry": registry}
    new = folder / "new.sqlite3"
    with Simulator(eesv=systems, eeio=devices) as eem, payloads(folder) as pack:
        direct: dict[str, object] = {"url": eem.url, "username": eem.username, "password": eem.password}
        modules = {
            "empty module": pack("empty", {}),
            "device_info": pack("nec.expether.expether_device_info", {**direct, **stored}),
            "device_info (new names)": pack(
                "nec.expether.expether_device_info", {**direct, "registry": "/nonexistent/registry.sqlite3"}
            ),
            "system_info": pack("nec.expether.expether_system_info", {**direct, **stored}),
            "flavor_info": pack("nec.expether.expether_flavor_info", stored),
            "podm_info": pack("nec.expether.expether_podm_info", stored),
            "podm (unchanged)": pack("nec.expether.expether_podm", {**direct, **stored, "name": "bench"}),
            "sync (unchanged)": pack("nec.expether.expether_sync", stored),
            "sync (first)": first_sync(folder, pack, direct, new),
            "device_info (registry)": pack("nec.expether.expether_device_info", {**stored, "source": "registry"}),
            "node (check mode)": pack(
                "nec.expether.expether_node",
                {**stored, "podm": "bench", "name": "n", "properties": {"pci_device": {"type": ["GPU"]}}},
                check=True,
            ),
        }
        bare = BARE.format(url=f"{eem.url}/devices/detail", cards=devices + systems)
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "bare GET and parse": [sys.executable, "-c", bare],
            **modules,
        }
        costs = measure(commands, runs)
        registries = _registries(eem, pack, direct, folder, runs)
        growth = _growth(eem, pack, direct, folder, runs)
    many = _many(folder, runs)
    layout = _layout(folder, max(2, runs // 2))
    empty, unit = costs["empty module"].seconds, costs["bare GET and parse"].seconds
    print(f"\n{devices} devices, {systems} systems; best of {runs} runs. The unit is a bare GET and parse.\n")
    print(f"{'process':<24}{'ms':>8}{'MB':>8}{'beyond empty, ms':>18}{'in units':>10}")
    for name, cost in costs.items():
        beyond = cost.seconds - empty
        ratio = f"{beyond / unit:10.2f}" if name in modules and name != "empty module" else ""
        more = f"{beyond * 1000:18.0f}" if ratio else " " * 18
        print(f"{name:<24}{cost.seconds * 1000:8.0f}{cost.megabytes:8.0f}{more}{ratio}")
    print()
    for what, limit in (
        ("device_info", LISTING_LIMIT),
        ("sync (unchanged)", SYNC_LIMIT),
        ("sync (first)", FIRST_SYNC_LIMIT),
    ):
        judge(what, (costs[what].seconds - empty) / unit, "units", limit)
    judge(
        f"sync of {MANY} EEMs with {LATENCY_MS} ms latency",
        (many[MANY] - empty) / (many[1] - empty),
        "times one",
        MANY_LIMIT,
    )
    _print_layout(layout)
    _print_plans()
    _print_registries(registries)
    print("\nGrowth beyond an empty module, ms, and per additional 1,000 devices:")
    print(f"{'devices':>8}" + "".join(f"{name:>20}{'':>10}" for name in growth))
    for place, count in enumerate(SIZES):
        line = f"{count:>8}"
        for seconds in growth.values():
            more = (seconds[place] - seconds[place - 1]) / (count - SIZES[place - 1]) * 1e6 if place else None
            line += f"{(seconds[place] - empty) * 1000:20.0f}" + (" " * 10 if more is None else f"{more:10.0f}")
        print(line)
    print()
    for name, seconds in growth.items():
        ratio = (seconds[-1] - empty) / (seconds[-2] - empty)
        judge(f"{name} of {SIZES[-1]} devices", ratio, f"times {SIZES[-2]}", GROWTH_LIMIT)
    peak = costs["device_info"].megabytes
    print(f"\nPeak memory of a listing: {peak:.0f} MB, limit {MEMORY_LIMIT_MB} MB.")
    return int(peak > MEMORY_LIMIT_MB)


def judge(what: str, ratio: float, unit: str, limit: float) -> None:
    """Print a ratio and its limit."""
    print(f"{what}: {ratio:.2f} {unit}, {'within' if ratio <= limit else 'OVER'} {limit:g}.")


def first_sync(folder: Path, pack: Pack, direct: dict[str, object], registry: Path) -> list[str]:
    """Return a program that synchronises into a registry with the pod manager but without devices."""
    known = folder / f"known-{registry.name}"
    pack("nec.expether.expether_podm", {**direct, "registry": str(known), "name": "bench", "sync": False})
    sync = pack("nec.expether.expether_sync", {"registry": str(registry), "registry_key_file": f"{known}.key"})
    return ["sh", "-c", 'rm -f "$1"*; cp "$0" "$1"; shift; exec "$@"', str(known), str(registry), *sync]


def _registries(
    eem: Simulator, pack: Pack, direct: dict[str, object], folder: Path, runs: int
) -> dict[str, dict[str, float]]:
    """Return the seconds of each process in each registry; that of a server only where one is installed."""
    key = str(folder / "registries.key")
    with contextlib.ExitStack() as stack:
        file = folder / "registries.sqlite3"
        urls = {"SQLite": f"sqlite:///{file}"}
        empty: dict[str, Callable[[], object]] = {
            "SQLite": lambda: [each.unlink() for each in folder.glob(f"{file.name}*")]
        }
        if why_not() is None:
            server = Server(fsync="on", synchronous_commit="on")
            stack.callback(server.close)
            urls["PostgreSQL"] = server.create("bench")
            empty["PostgreSQL"] = partial(server.execute, "DROP SCHEMA nec_expether CASCADE", database="bench")
        if etcd.why_not() is None:
            members = stack.enter_context(contextlib.closing(etcd.Etcd(on_disk=True)))
            urls["etcd"] = members.url("/bench")
            everything = {"key": etcd.text64("/bench/"), "range_end": etcd.text64("/bench0")}
            empty["etcd"] = partial(members.call, "kv/deleterange", **everything)
        commands: dict[str, list[str]] = {}
        before: dict[str, Callable[[], object]] = {}
        for name, url in urls.items():
            stored: dict[str, object] = {"registry": url, "registry_key_file": key}
            register = pack("nec.expether.expether_podm", {**direct, **stored, "name": "bench", "sync": False})
            sync = pack("nec.expether.expether_sync", stored)  # runs it, too
            before[f"{name}/sync (first)"] = partial(_register_anew, empty[name], register)
            node = {**stored, "podm": "bench", "name": "n", "connect_timeout": 0}
            gpu = {"properties": {"pci_device": {"type": ["GPU"]}}}
            commands |= {
                f"{name}/sync (first)": sync,
                f"{name}/sync (unchanged)": sync,
                f"{name}/device_info (registry)": pack(
                    "nec.expether.expether_device_info", {**stored, "source": "registry"}
                ),
                f"{name}/compose": pack("nec.expether.expether_node", {**node, **gpu}),
                f"{name}/release": pack("nec.expether.expether_node", {**node, "state": "absent"}),
            }
        costs = measure(commands, max(2, runs // 2), before)
        found: dict[str, dict[str, float]] = {name: {} for name in urls}
        for command, cost in costs.items():
            name, _sign, what = command.partition("/")
            found[name][what] = cost.seconds
        for name, url in urls.items():
            for count in TOGETHER:
                found[name][f"{count} x 20 commits at once"] = _together(url, count)
        return found


def _register_anew(empty: Callable[[], object], register: list[str]) -> None:
    """Leave nothing in a registry but a pod manager without devices."""
    empty()
    subprocess.run(register, stdout=subprocess.DEVNULL, check=True)


def _together(url: str, count: int) -> float:
    """Return the seconds in which so many controllers count together, each 20 times by compare-and-swap."""
    command = [sys.executable, "-c", COUNT, str(ROOT / "tests"), url]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _place in range(count)]
    for process in processes:
        process.stdout.readline()  # type: ignore[union-attr]
    began = time.perf_counter()
    for process in processes:
        process.stdin.close()  # type: ignore[union-attr]
    if any(process.wait() for process in processes):
        raise SystemExit("a process failed")
    return time.perf_counter() - began


def _print_registries(registries: dict[str, dict[str, float]]) -> None:
    print("\nRegistries side by side, ms:")
    print(f"{'':<28}" + "".join(f"{name:>12}" for name in registries))
    for what in registries["SQLite"]:
        print(f"{what:<28}" + "".join(f"{seconds[what] * 1000:12.0f}" for seconds in registries.values()))
    print()
    for name, seconds in registries.items():
        for what in ("sync (unchanged)", "device_info (registry)") if name == "PostgreSQL" else ():
            judge(f"{what} in {name}", seconds[what] / registries["SQLite"][what], "times SQLite", REGISTRY_LIMIT)


def _growth(eem: Simulator, pack: Pack, direct: dict[str, object], folder: Path, runs: int) -> dict[str, list[float]]:
    """Return the seconds for each number of devices."""
    listing = pack("nec.expether.expether_device_info", {**direct, "registry": "/nonexistent/registry.sqlite3"})
    found: dict[str, list[float]] = {"device_info": [], "sync (unchanged)": [], "sync (first)": []}
    for count in SIZES:
        eem.reset(eesv=max(1, count // 20), eeio=count, style="plain")
        registry = folder / f"growth-{count}.sqlite3"
        first = first_sync(folder, pack, direct, registry)
        commands = {
            "device_info": listing,
            "sync (first)": first,
            "sync (unchanged)": first[first.index(sys.executable) :],
        }
        for name, cost in measure(commands, max(2, runs // 2)).items():
            found[name].append(cost.seconds)
    return found


def _many(folder: Path, runs: int) -> dict[int, float]:
    """Return the seconds of a synchronisation of one EEM, and of many, each a separate slow process."""
    registry = {"registry": str(folder / "many.sqlite3")}
    with contextlib.ExitStack() as stack:
        pack = stack.enter_context(payloads(folder / "many"))
        eems = [stack.enter_context(Simulator(eesv=2, eeio=12, seed=100 * number)) for number in range(MANY)]
        for number, eem in enumerate(eems):
            direct = {"url": eem.url, "username": eem.username, "password": eem.password}
            pack("nec.expether.expether_podm", {**direct, **registry, "name": f"eem{number}"})
            eem.set_options(latency_ms=str(LATENCY_MS))
        commands = {
            "1": pack("nec.expether.expether_sync", {**registry, "podms": ["eem0"]}),
            str(MANY): pack("nec.expether.expether_sync", registry),
        }
        return {int(number): cost.seconds for number, cost in measure(commands, runs).items()}


def _layout(folder: Path, runs: int) -> dict[str, tuple[float, int, int]]:
    """Return seconds, requests and connections of plays that compose nodes: none, in a loop, and as one layout."""
    names = [f"n{number:02d}" for number in range(LAYOUT_NODES)]
    node = {"properties": {"devices": [{"type": "GPU"}, {"type": "SSD"}]}}
    shared = {"podm": "bench", "connect_timeout": 0}
    tasks: dict[str, dict[str, object]] = {
        "nothing": {"ansible.builtin.debug": {}},
        "loop": {"nec.expether.expether_node": {**shared, **node, "name": "{{ item }}"}, "loop": names},
        "layout": {"nec.expether.expether_layout": {**shared, "nodes": [{"name": name, **node} for name in names]}},
    }
    found = dict.fromkeys(tasks, (1e9, 0, 0))
    with Simulator(eesv=LAYOUT_NODES + 4, eeio=6 * LAYOUT_NODES) as eem:
        direct = {"url": eem.url, "username": eem.username, "password": eem.password}
        for number in range(runs):
            for way, task in tasks.items():
                eem.reset()
                registry = folder / f"layout-{way}-{number}.sqlite3"
                _play(folder, registry, {"nec.expether.expether_podm": {**direct, "name": "bench"}})
                eem.reset_stats()
                seconds, stats = _play(folder, registry, task), eem.stats()
                found[way] = min(found[way], (seconds, stats["requests"], stats["connections"]))
    return found


def _play(folder: Path, registry: Path, task: dict[str, object]) -> float:
    """Return the seconds of a play on localhost with this task."""
    play = folder / "play.yml"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(play), "-e"]
    command += [f"ansible_python_interpreter={sys.executable}"]
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(ROOT / ".ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "EXPETHER_REGISTRY": f"sqlite:///{registry}",
    }
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{task} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - started


def _print_layout(layout: dict[str, tuple[float, int, int]]) -> None:
    print(f"\n{LAYOUT_NODES} nodes with 2 devices each:")
    print(f"{'play':<24}{'ms':>8}{'requests':>10}{'connections':>13}")
    for way, (seconds, requests, connections) in layout.items():
        print(f"{way:<24}{seconds * 1000:8.0f}{requests:10}{connections:13}")
    nothing, loop, whole = (layout[way][0] for way in ("nothing", "loop", "layout"))
    judge("layout", (whole - nothing) / (loop - nothing), "times the loop", LAYOUT_LIMIT)


def _print_plans() -> None:
    """Print what it costs to plan layouts for all nodes of pods of several sizes, in each of which something else is asked for."""
    command = [sys.executable, "-c", PLAN, str(ROOT / "tests"), *map(str, PODS)]
    seconds: dict[str, list[float]] = json.loads(subprocess.check_output(command))
    print("\nPlans of layouts by the number of their nodes, CPU ms, and times that of half the nodes:")
    print(f"{'nodes':<12}" + "".join(f"{nodes:>8}{'':>6}" for nodes in PODS))
    for case, found in seconds.items():
        ratios = ["", *(f"{after / before:.1f}" for before, after in zip(found, found[1:]))]
        print(f"{case:<12}" + "".join(f"{cost * 1000:8.1f}{ratio:>6}" for cost, ratio in zip(found, ratios)))
    print()
    judge("slowest plan", max(found[-1] for found in seconds.values()), "CPU seconds", PLAN_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
