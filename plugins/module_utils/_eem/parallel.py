# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several EEMs at once, so that a slow one delays no other. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, MissingLibrary

In = t.TypeVar("In")
Out = t.TypeVar("Out")

FORKS = 8


def side_by_side(
    items: t.Sequence[In], work: t.Callable[[In], Out], forks: int = FORKS
) -> list[tuple[In, Out | ExpetherError]]:
    """Return each item with what its work gave or with the error it ended in, in the items' order.

    :raises MissingLibrary: what is missing for one is missing for all
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
    # Imported here: a single EEM, the usual case, does not pay for it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(forks, len(items))) as pool:
        return list(zip(items, pool.map(one, items)))
