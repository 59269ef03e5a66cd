# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease of etcd, kept alive beside the work of a run. Private to the collection."""

from __future__ import annotations

import contextlib
import threading

from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_gateway import EtcdError, Gateway
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_url import EtcdUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError

SECONDS = 15  # after which etcd removes the keys of a run that has died
_BETWEEN = 4.0  # seconds between two renewals
_ANSWER_SECONDS = 3.0  # a member that stops responding must not cost the lease


class Lease:
    """Renews a lease in a thread, because one answer of EEM may take longer than a lease lasts.

    The thread has connections of its own. It ends with the process.

    :ivar id: the lease; may be replaced by another one
    """

    def __init__(self, url: EtcdUrl, lease: str) -> None:
        self.id = lease
        self._end = threading.Event()
        threading.Thread(target=self._keep, args=(Gateway(url, _ANSWER_SECONDS),), daemon=True).start()

    def close(self) -> None:
        """End the thread."""
        self._end.set()

    def _keep(self, gateway: Gateway) -> None:
        with contextlib.closing(gateway):
            while not self._end.wait(_BETWEEN):
                # The run notices by itself that the lease has ended, see `is_alive`.
                with contextlib.suppress(EtcdError, RegistryError):
                    is_alive(gateway, self.id)


def is_alive(gateway: Gateway, lease: str) -> bool:
    """Renew a lease; return whether it has not ended.

    :raises EtcdError: etcd refuses it
    :raises NoMember: no member has answered in time
    """
    answer = gateway.call("locked", "lease/keepalive", {"ID": lease})[0]
    return int(answer.get("result", {}).get("TTL", 0)) > 0
