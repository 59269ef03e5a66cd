# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What URLs of registries on servers have in common. Private to the collection."""

from __future__ import annotations

import typing as t
from urllib.parse import parse_qsl

from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError


def parameters_of(url: str, secrets: t.Container[str], instead: str) -> list[tuple[str, str]]:
    """Return the parameters of a URL that contains no password.

    :param secrets: the names of parameters that are passwords
    :param instead: says where a password belongs, as the end of a clause
    :raises RegistryError: it contains a password; the message does not repeat it
    """
    parameters = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    user = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if ":" in user or any(name.strip().lower() in secrets for name, _value in parameters):
        raise RegistryError(
            "The URL of the registry contains a password. Nothing was read. Remove the password from the URL, because URLs"
            f" are shown and logged; put it into {instead}."
        )
    return parameters
