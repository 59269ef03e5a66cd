# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the Python libraries that a module needs can be used where it runs. Private to the collection."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version

from ansible_collections.nec.expether.plugins.module_utils._model.errors import MissingLibrary

#: As in requirements.txt.
OLDEST = {"requests": "2.25.1", "cryptography": "36.0.2", "prometheus_client": "0.14.0", "hwdata": "2.3.7"}


def need(library: str, missing: Exception | None) -> None:
    """Refuse to go on with a library that is missing or too old.

    :param missing: what importing it raised: a library that does not fit to others may raise anything
    :raises MissingLibrary: it cannot be used
    """
    try:
        found = version(library)
    except PackageNotFoundError:  # without metadata nobody knows how old it is: being importable is enough
        found = None
    oldest = OLDEST[library]
    if found is not None and _numbers(found) < _numbers(oldest):
        raise MissingLibrary(
            library,
            None,
            f"nec.expether needs {library} {oldest} or later on the host where it runs; {sys.executable} has {library}"
            f" {found}. Install a newer one, or set ansible_python_interpreter to a Python that has it.",
        )
    if missing is not None:
        raise MissingLibrary(library, missing)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with."""
    begun = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, begun[0].split("."))) if begun else ()
