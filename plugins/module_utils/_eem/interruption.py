# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a run in order after Ctrl-C, SIGTERM or the loss of its terminal. Private to the collection.

The handler raises nothing, because it may run in the middle of a transaction. It records the signal and ends the reads
in progress. The run checks for it where it can stop: before it reads or writes, and between two steps of a plan.
A change that was sent is never cut off, because EEM might still carry it out afterwards.
"""

from __future__ import annotations

import contextlib
import signal
import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME = 1.0  # seconds in which a second signal belongs to the first: a terminal and Ansible may both send one
SLICE = 0.05  # seconds after which a pause checks for a signal


class Interrupted(ExpetherError):
    """A signal has ended the run."""

    kind = "interrupted"


class _State:
    """The signal received so far.

    :ivar name: the name of the signal; `None` before one was received
    :ivar since: when it was received, by the monotonic clock
    :ivar settled: whether the run has stopped already and is cleaning up
    :ivar endings: functions that end the reads in progress
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.since = 0.0
        self.settled = False
        self.endings: list[t.Callable[[], None]] = []


_state = _State()


@contextlib.contextmanager
def listening() -> t.Iterator[None]:
    """Make the first signal stop the run in order, and a later one end the process at once.

    A signal that is ignored, for example because of `nohup`, stays ignored.
    """
    _state.__init__()  # type: ignore[misc]
    before = {number: signal.getsignal(number) for number in SIGNALS}
    replaced = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        for number in replaced:
            signal.signal(number, _note)
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _note(number: int, _frame: t.Any) -> None:
    if _state.name is None:
        interrupt(signal.Signals(number).name)
    elif time.monotonic() - _state.since > SAME:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def interrupt(name: str) -> None:
    """Stop the runs in this process as a signal of that name does, also those in other threads."""
    _state.name, _state.since = name, time.monotonic()
    for end in list(_state.endings):
        end()


def resume() -> None:
    """Let runs start again after `interrupt`."""
    _state.name = None


def interrupted_by() -> str | None:
    """Return the name of the signal that was received, or `None`."""
    return _state.name


def stop_if_interrupted() -> None:
    """Stop here if a signal was received, unless the run is already cleaning up because of it.

    :raises Interrupted: a signal was received
    """
    if _is_pending():
        raise Interrupted(f"Interrupted by {_state.name}.")


def settle() -> None:
    """Ignore the signal from now on: the run has stopped and is cleaning up."""
    _state.settled = True


def end_on_signal(end: t.Callable[[], None]) -> None:
    """Make a signal call this function until `forget_ending`; call it at once if one was received.

    :param end: must neither block nor raise, because it may be called anywhere in the program
    """
    _state.endings.append(end)
    if _is_pending():
        end()


def forget_ending(end: t.Callable[[], None]) -> None:
    """Stop signals from calling this function."""
    with contextlib.suppress(ValueError):
        _state.endings.remove(end)


def sleep(seconds: float) -> bool:
    """Sleep; return whether that was not interrupted by a signal."""
    until = time.monotonic() + seconds
    while not _is_pending():
        remaining = until - time.monotonic()
        if remaining <= 0:
            return True
        time.sleep(min(remaining, SLICE))
    return False


def _is_pending() -> bool:
    return _state.name is not None and not _state.settled
