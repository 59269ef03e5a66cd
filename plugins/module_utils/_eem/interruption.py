# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ctrl-C, SIGTERM and a lost terminal end a run in order. Private to the collection.

The handler raises nothing, because it may run in the midst of a transaction. It notes the signal and ends the reads
that are under way. The run looks at that where it can stop: before it reads or writes, and between two steps of a plan.
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
SLICE = 0.05  # seconds after which a pause looks whether a signal has come


class Interrupted(ExpetherError):
    """A signal has ended the run."""

    kind = "interrupted"


class _State:
    """What has come so far.

    :ivar name: the signal's name
    :ivar settled: whether the run has stopped already and is putting things right
    :ivar endings: what ends the reads that are under way
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.since = 0.0
        self.settled = False
        self.endings: list[t.Callable[[], None]] = []


_state = _State()


@contextlib.contextmanager
def listening() -> t.Iterator[None]:
    """Have the first signal stop the run in order, and a later one end the process at once.

    A signal that is ignored, as `nohup` has it, stays ignored.
    """
    _state.__init__()  # type: ignore[misc]
    before = {number: signal.getsignal(number) for number in SIGNALS}
    mine = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    try:
        for number in mine:
            signal.signal(number, _note)
        yield
    finally:
        for number, handler in mine.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _note(number: int, _frame: t.Any) -> None:
    if _state.name is None:
        _state.name, _state.since = signal.Signals(number).name, time.monotonic()
        for end in list(_state.endings):
            end()
    elif time.monotonic() - _state.since > SAME:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def interrupted_by() -> str | None:
    """Return the name of the signal that has come, or `None`."""
    return _state.name


def stop_if_interrupted() -> None:
    """Stop here if a signal has come, unless the run is putting things right because of it.

    :raises Interrupted: a signal has come
    """
    if _is_pending():
        raise Interrupted(f"Interrupted by {_state.name}.")


def settle() -> None:
    """Go on undisturbed: the run has stopped, and puts right what it can."""
    _state.settled = True


def end_on_signal(end: t.Callable[[], None]) -> None:
    """Have a signal call this, until `forget_ending`; at once if one has come.

    :param end: must neither block nor raise: it may be called anywhere in the program
    """
    _state.endings.append(end)
    if _is_pending():
        end()


def forget_ending(end: t.Callable[[], None]) -> None:
    """Have signals not call this any more."""
    with contextlib.suppress(ValueError):
        _state.endings.remove(end)


def sleep(seconds: float) -> bool:
    """Sleep, and return whether no signal came."""
    until = time.monotonic() + seconds
    while not _is_pending():
        left = until - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(left, SLICE))
    return False


def _is_pending() -> bool:
    return _state.name is not None and not _state.settled
