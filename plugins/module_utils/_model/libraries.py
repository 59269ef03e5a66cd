# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks the Python libraries that a module needs on the host where it runs. Private to the collection."""

from __future__ import annotations

import os
import re
import shlex
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version

from ansible_collections.nec.expether.plugins.module_utils._model.errors import MissingLibrary

#: As in requirements.txt.
OLDEST = {
    "requests": "2.25.1",
    "cryptography": "36.0.2",
    "prometheus_client": "0.14.0",
    "hwdata": "2.3.7",
    "psycopg": "3.1.6",
}
#: What to install instead of the library alone: psycopg's binary package brings libpq.
_PACKAGES = {"psycopg": "psycopg[binary]"}
#: The packages of Debian and Ubuntu. There is none of hwdata for Python.
_DEBIAN = {
    "requests": "python3-requests",
    "cryptography": "python3-cryptography",
    "prometheus_client": "python3-prometheus-client",
    "psycopg": "python3-psycopg",
}


def how_to_install(library: str) -> str:
    """Return a sentence that says how to install a library for the Python that runs this.

    Distributions such as Debian 12 do not let pip change their own Python (PEP 668).
    """
    if not _refuses_pip():
        package = f"{_PACKAGES.get(library, library)}>={OLDEST[library]}"
        return f"Install it with pip ({shlex.join([sys.executable, '-m', 'pip', 'install', package])})."
    package = f"install the package {_DEBIAN[library]} (Debian, Ubuntu), or " if library in _DEBIAN else ""
    return (
        f"{sys.executable} belongs to the distribution, which refuses pip: {package}set `ansible_python_interpreter` to the"
        f" Python of a virtual environment with {library}."
    )


def _refuses_pip() -> bool:
    in_environment = sys.prefix != sys.base_prefix
    return not in_environment and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))


def need(library: str, missing: Exception | None) -> None:
    """Refuse to use a library that is missing or too old.

    :param missing: what its import raised; that may be any exception, if the library does not match others
    :raises MissingLibrary: it cannot be used
    """
    try:
        installed = version(library)
    except PackageNotFoundError:  # without metadata its version is unknown: it is enough that the import worked
        installed = None
    oldest = OLDEST[library]
    if installed is not None and _numbers(installed) < _numbers(oldest):
        raise MissingLibrary(
            library,
            None,
            f"nec.expether needs {library} {oldest} or later on the host where it runs; {sys.executable} has {library}"
            f" {installed}. {how_to_install(library)}",
        )
    if missing is not None:
        raise MissingLibrary(library, missing)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()
