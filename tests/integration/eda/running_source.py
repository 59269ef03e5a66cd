# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source as ansible-rulebook runs it, and the library's part of it."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
import typing as t
from pathlib import Path

import jsonschema
from ansible_collections.nec.expether.plugins.module_utils._modules.watch import Watch
from eemsim.client import Simulator

TESTS = Path(__file__).resolve().parents[2]
#: Not resolved: ansible-rulebook finds the file as Ansible does, below a folder `ansible_collections`.
COLLECTION = TESTS.parent / ".ansible" / "collections" / "ansible_collections" / "nec" / "expether"
PLUGIN = COLLECTION / "extensions" / "eda" / "plugins" / "event_source" / "expether.py"
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((PLUGIN.parent / "schemas" / "expether_events.json").read_text(encoding="utf-8"))
)
Event = dict[str, t.Any]
GPU = {"pci_device": {"type": ["GPU"]}}


def plugin() -> dict[str, t.Any]:
    """Run the file of the plugin as `runpy` does, which Ansible's loader of collections confuses."""
    found: dict[str, t.Any] = {"__name__": "<run_path>", "__file__": str(PLUGIN)}
    exec(compile(PLUGIN.read_text(encoding="utf-8"), str(PLUGIN), "exec"), found)  # noqa: S102
    return found


def types(events: t.Iterable[Event]) -> list[str]:
    return [event["type"] for event in events]


def checked(events: list[Event]) -> list[Event]:
    """Return events of which each is as the schema says."""
    for event in events:
        SCHEMA.validate(event)
    return events


class Running:
    """The event source's own `main`, in a thread with an event loop and a queue as in ansible-rulebook."""

    def __init__(self, **options: t.Any) -> None:
        self._options = {"interval": 1, **options}
        self._events: queue.Queue[Event] = queue.Queue()
        self._started = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self._started.wait(30)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue(1)
        self._main = asyncio.ensure_future(plugin()["main"](events, self._options))
        self._started.set()
        while not self._main.done():
            getting = asyncio.ensure_future(events.get())
            await asyncio.wait((self._main, getting), return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                self._events.put(getting.result())
            getting.cancel()
        self.error = None if self._main.cancelled() else self._main.exception()

    def events(self, number: int) -> list[Event]:
        """Return the next events; fail if one does not come."""
        return checked([self._events.get(timeout=30) for dummy in range(number)])

    def wait_for_requests(self, eem: Simulator, number: int) -> None:
        """Wait until the EEM has got so many requests."""
        until = time.monotonic() + 30
        while len(eem.log()) < number:
            assert self._thread.is_alive(), self.error
            assert time.monotonic() < until
            time.sleep(0.05)

    def wait_for_end(self) -> str:
        """Return the sentence with which it ends by itself."""
        self._thread.join(30)
        return str(self.error)

    def stop(self, seconds: float = 30) -> list[Event]:
        """Cancel it as ansible-rulebook does at its end; return the events that were not taken."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return [self._events.get() for dummy in range(self._events.qsize())]


class Watching:
    """The library's side of the event source, poll by poll."""

    def __init__(self, **options: t.Any) -> None:
        self.log: list[str] = []
        self._watch = Watch(options, self.log.append)
        self._watch.start()

    def poll(self) -> list[Event]:
        return checked(self._watch.poll())

    def wait(self) -> None:
        self._watch.wait()

    def stop(self) -> None:
        self._watch.stop()

    def close(self) -> None:
        self._watch.close()
