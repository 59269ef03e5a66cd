# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs of registries in PostgreSQL, without libpq: which ones are refused, and how messages show them.

Private to the collection.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from ansible_collections.nec.expether.plugins.module_utils._registry.database_urls import parameters_of
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError

# postgresql://[USER@][HOST[:PORT][,HOST[:PORT]...]][/DATABASE][?PARAMETERS]
_HOST = r"(?:[^@/?:,\[\]]*|\[[^@/?\[\]]*\])(?::\d*)?"
_URL = re.compile(rf"postgres(?:ql)?://(?:[^@/:]*@)?{_HOST}(?:,{_HOST})*(?:/[^@?]*)?(?:\?.*)?", re.DOTALL)
#: libpq's parameters that are secrets.
_SECRETS = frozenset(("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"))
_SHOWN = ("user", "host", "hostaddr", "port", "dbname", "service")


def shown_url(url: str) -> str:
    """Return a URL as messages show it: only where the registry is, without all other parameters.

    :raises RegistryError: it contains a secret, or it has another form
    """
    address, sign, _query = url.partition("?")
    instead = "a password file (environment variable PGPASSFILE) or into the environment variable PGPASSWORD"
    parameters = parameters_of(url, _SECRETS, instead)
    if not _URL.fullmatch(url) or (sign and not parameters):
        raise RegistryError(
            "The URL of the registry is not valid. Set `registry` to postgresql://USER@HOST/DATABASE, with several hosts as"
            " HOST1,HOST2, and with parameters of libpq as ?NAME=VALUE&NAME=VALUE."
        )
    where = urlencode([(name, value) for name, value in parameters if name in _SHOWN], safe="/,:[]")
    return address + (f"?{where}" if where else "")
