# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queries several EEMs in parallel, so that a slow one does not delay the others. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, MissingLibrary

In = t.TypeVar("In")
Out = t.TypeVar("Out")

FORKS = 8


def side_by_side(
    items: t.Sequence[In], work: t.Callable[[In], Out], forks: int = FORKS
) -> list[tuple[In, Out | ExpetherError]]:
    """Return each item with its result or with the error it ended in, in the order of the items.

    :raises MissingLibrary: a library that is missing for one item is missing for all
    """

    def one(item: In) -> Out | ExpetherError:
        try:
            return work(item)
        except MissingLibrary:
            raise
        except ExpetherError as error:
            return error

    if len(items) < 2:
        return [(item, one(item)) for item in items]
    # Imported here, because a single EEM, the usual case, does not need it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(forks, len(items))) as pool:
        return list(zip(items, pool.map(one, items)))
