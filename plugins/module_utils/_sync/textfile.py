# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the results of a synchronisation to a file for the Prometheus node_exporter. Private to the collection."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t
from collections import Counter
from datetime import datetime, timezone

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.libraries import need
from ansible_collections.nec.expether.plugins.module_utils._registry.device_records import StoredDevice
from ansible_collections.nec.expether.plugins.module_utils._registry.owner_rights import (
    UnsafeFolder,
    owner_of,
    rights_of,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager, StoredNode
from ansible_collections.nec.expether.plugins.module_utils._registry.store import TIME_FORMAT, Registry
from ansible_collections.nec.expether.plugins.module_utils._results.cards import View

MISSING: Exception | None = None
try:
    from prometheus_client import CollectorRegistry, Gauge, generate_latest
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing

NAME = "expether.prom"
# os.access must use the effective ids, because root may be working with the rights of the folder's owner.
_BY_RIGHTS = os.access in os.supports_effective_ids


class TextfileError(ExpetherError):
    """The file cannot be written, although the registry was synchronised."""

    kind = "textfile"


class Textfile:
    """The file in a directory that the textfile collector of node_exporter reads.

    :raises MissingLibrary: prometheus_client is not installed or too old
    :raises InvalidInput: the directory is not writable
    """

    def __init__(self, folder: str) -> None:
        need("prometheus_client", MISSING)
        self._folder = os.path.abspath(folder)
        try:
            with rights_of(owner_of(self._folder, shared=True)):
                is_usable = os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK, effective_ids=_BY_RIGHTS)
        except UnsafeFolder as error:
            raise InvalidInput(f"textfile_dir: {folder} cannot be used: {error}") from None
        except OSError:
            is_usable = False
        if not is_usable:
            raise InvalidInput(f"textfile_dir: {folder} is not a writable directory on the host where the module runs.")
        self.path = os.path.join(self._folder, NAME)

    def write(self, registry: Registry, results: t.Sequence[View], seconds: float) -> None:
        """Write the current content of the registry. A reader sees the complete old file or the complete new one.

        :param results: the results of the pod managers that were synchronised
        :param seconds: how long the synchronisation took
        :raises TextfileError: the file cannot be written
        """
        text = generate_latest(_metrics(registry, results, seconds))
        try:
            with rights_of(owner_of(self._folder, shared=True)):
                self._replace(text)
        except UnsafeFolder as error:
            raise TextfileError(f"The registry was synchronised, but {self.path} cannot be written: {error}") from None
        except OSError as error:
            raise TextfileError(
                f"The registry was synchronised, but {self.path} cannot be written ({error.strerror or error})."
            ) from None

    def _replace(self, text: bytes) -> None:
        # Not write_to_textfile of prometheus_client: it opens a guessable name, follows a link that other users may have put
        # in a folder where they can write, sets no mode, and before 0.22 leaves its draft behind when it fails.
        # node_exporter runs as another user, and reads only files named *.prom.
        handle, draft = tempfile.mkstemp(prefix=f".{NAME}.", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o644)
                file.write(text)
            os.replace(draft, self.path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)


def _metrics(registry: Registry, results: t.Sequence[View], seconds: float) -> CollectorRegistry:
    """Return the metrics of all pod managers, with durations for those that were synchronised."""
    metrics = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"expether_{name}", text, labels, registry=metrics)

    podms = {podm.uuid: podm for podm in registry.all(PodManager)}
    up = gauge("podm_up", "Whether the EEM listed its cards at the last run and had not lost most of them.", "podm")
    last = gauge("podm_last_success_timestamp_seconds", "When the EEM last listed its cards, as Unix time.", "podm")
    refused = gauge("podm_credentials_refused", "Whether the EEM refused the credentials that were last sent.", "podm")
    systems = gauge("systems", "Systems (EESV) in the last listing of the EEM.", "podm")
    slots = gauge("free_slots", "How many more devices the systems can have.", "podm")
    for podm in podms.values():
        up.labels(podm.name).set(podm.status == "Online")
        refused.labels(podm.name).set(podm.refused_at is not None)
        for series, value in ((last, _unix(podm.last_sync)), (systems, podm.systems), (slots, podm.free_slots)):
            if value is not None:
                series.labels(podm.name).set(value)
    devices = gauge("devices", "Devices (EEIO) as stored in the registry.", "podm", "type", "state")
    nodes = gauge("nodes", "Nodes as stored in the registry.", "podm", "state")
    kinds: list[tuple[Gauge, str, tuple[str, ...]]] = [
        (devices, device.podm_id, (device.type or "", "missing" if device.missing_since else device.state))
        for device in registry.all(StoredDevice)
    ]
    kinds += [(nodes, node.podm_id, (node.state,)) for node in registry.all(StoredNode)]
    for (series, podm_id, labels), count in Counter(kinds).items():
        if podm_id in podms:
            series.labels(podms[podm_id].name, *labels).set(count)
    took = gauge("podm_sync_duration_seconds", "How long the last synchronisation of the pod manager took.", "podm")
    for result in results:
        took.labels(result["name"]).set(result["seconds"])
    gauge("sync_duration_seconds", "How long the last run took.").set(seconds)
    gauge("sync_errors", "Pod managers that the last run could not synchronise, or that had lost most cards.").set(
        sum(result["error"] is not None for result in results)
    )
    gauge("sync_last_run_timestamp_seconds", "When the last run ended, as Unix time.").set_to_current_time()
    return metrics


def _unix(text: str | None) -> float | None:
    """Return a stored time as Unix time."""
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=timezone.utc).timestamp() if text else None
