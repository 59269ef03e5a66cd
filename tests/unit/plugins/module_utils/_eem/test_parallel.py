# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on several EEMs at once."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.nec.expether.plugins.module_utils._eem.parallel import FORKS, side_by_side
from ansible_collections.nec.expether.plugins.module_utils._model.errors import NotFound


@pytest.mark.parametrize("count", [0, 1, 2, 5, 40])
def test_answers_come_in_the_order_of_the_items(count: int) -> None:
    assert side_by_side(range(count), lambda item: item * 10) == [(item, item * 10) for item in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_one_that_fails_does_not_hide_the_others(count: int) -> None:
    def work(item: int) -> int:
        if item == 0:
            raise NotFound("no such thing")
        return item

    found = side_by_side(range(count), work)
    assert isinstance(found[0][1], NotFound)
    assert found[1:] == [(item, item) for item in range(1, count)]


@pytest.mark.parametrize("count", [1, 3])
def test_what_nobody_expected_is_not_swallowed(count: int) -> None:
    def work(item: int) -> int:
        raise ZeroDivisionError(item)

    with pytest.raises(ZeroDivisionError):
        side_by_side(range(count), work)


def test_the_work_is_really_done_at_once() -> None:
    """Each waits until all have begun: one after the other would never end."""
    all_here = threading.Barrier(FORKS, timeout=20)
    found = side_by_side(range(FORKS), lambda item: all_here.wait() >= 0)
    assert [done for dummy, done in found] == [True] * FORKS


def test_no_more_is_done_at_once_than_forks_allow() -> None:
    """Each gives a third one time to come."""
    lock, here, most = threading.Lock(), 0, 0
    third = threading.Event()

    def work(item: int) -> None:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
            if here > 2:
                third.set()
        third.wait(timeout=0.1)
        with lock:
            here -= 1

    side_by_side(range(6), work, forks=2)
    assert most == 2


def test_a_single_item_is_done_without_a_thread() -> None:
    assert side_by_side(["x"], lambda item: threading.current_thread()) == [("x", threading.current_thread())]
