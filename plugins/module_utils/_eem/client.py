# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EEM's REST calls, one method per call. Private to the collection.

The calls are those of the EEM interface notes ([nec][drv][hw] unless a method says otherwise). Reads are retried. A
change is sent once: if its answer is lost, the caller must read the card.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._eem.errors import (
    AnswerLost,
    EemError,
    EemRefused,
    EmptyAnswer,
    Rejected,
    ServerFailed,
    TimedOut,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import stop_if_interrupted
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import Patience, Settings
from ansible_collections.nec.expether.plugins.module_utils._eem.transport import Transport

#: "The data of this change are out of date, list again" [nec]. For all other codes, the HTTP status and a read decide.
_STALE = ("40004", "40400", "50003")
_STALE_ON_DELETION = "40011"  # of a card; NEC's client knows it for nothing else


class Client:
    """One EEM over one HTTP session. Use it as a context manager.

    :ivar waited: why reads had to be retried, as sentences
    :ivar patience: how long the run may still wait
    :ivar conditional: whether changes carry the condition `update_time`; false once this EEM turns out to refuse it
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.patience = Patience(settings.patience, settings.pauses)
        self.waited: list[str] = []
        self._has_changed = False
        self.conditional = settings.conditional_updates
        cert = (
            (settings.client_cert, settings.client_key)
            if settings.client_cert and settings.client_key
            else settings.client_cert
        )
        self._transport = Transport(
            settings.url,
            settings.username,
            settings.password,
            settings.validate_certs and (settings.ca_text is not None or settings.ca_path or True),
            cert,
            settings.timeout,
            settings.ca_text,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._transport.close()

    # Reads

    def api_version(self) -> str:
        """Return EEM's API version, such as `v1.0.8` [hw]."""
        version = self._read("api_version").get("version_number")
        if not isinstance(version, str):
            raise UnexpectedAnswer(
                f"GET {self.settings.url}/api_version: the answer contains no `version_number`."
                " Is this the URL of EEM (http://HOST:30500/eem)?",
                url=f"{self.settings.url}/api_version",
            )
        return version

    def devices(self) -> list[t.Any]:
        """Return an object with the `id` of each card."""
        return self._list("devices", {})

    def devices_detail(self, group_id: str | None = None, once: bool = False) -> list[t.Any]:
        """Return the records of all cards, or of those in a group, as EEM sent them: EESVs and EEIOs together [nec].

        :param once: send the request only once; a signal ends it
        """
        return self._list("devices/detail", {} if group_id is None else {"group_id": group_id}, once)

    def device(self, card: str) -> dict[str, t.Any]:
        """Return the record of one card."""
        record = self._read(f"devices/{card}").get("device")
        if not isinstance(record, dict):
            url = f"{self.settings.url}/devices/{card}"
            raise UnexpectedAnswer(f"GET {url}: the answer contains no `device`.", url=url)
        return record

    def uid_led(self, card: str) -> str | None:
        """Return the state of the locator LED: `on` or `off`."""
        status = self._read(f"devices/{card}/uid_led_status").get("uid_led_status")
        return str(status) if isinstance(status, (str, int)) else None

    # Changes

    def set_group(self, card: str, group_id: str | None, update_time: str | None = None) -> dict[str, t.Any]:
        """Give a card a group id. With `None`, which is for EESVs only, EEM picks one [nec][drv].

        :returns: `group_id` and `update_time`, or `{}`
        """
        body = {"group_id": group_id, **self._condition(update_time)}
        return self._change("PUT", f"devices/{card}/group_id", body=body)

    def clear_group(self, card: str, update_time: str | None = None) -> dict[str, t.Any]:
        """Delete a card's group id: an EEIO becomes free (4093), an EESV has no group id of its own any more (4094).

        :returns: `update_time`, or `{}`
        """
        return self._change("DELETE", f"devices/{card}/group_id", query=self._condition(update_time))

    def forget_device(self, card: str, force: bool = False) -> dict[str, t.Any]:
        """Forget a card. Without `force` EEM forgets only a card that does not respond any more [nec]."""
        return self._change("DELETE", f"devices/{card}", query={"force": "enabled"} if force else {})

    def audit(self, card: str) -> dict[str, t.Any]:
        """Have EEM read a card's state again [nec]."""
        return self._change("PUT", f"devices/{card}/audit")

    def set_uid_led(self, card: str, status: str) -> dict[str, t.Any]:
        """Switch the locator LED `on` or `off`."""
        return self._change("PUT", f"devices/{card}/uid_led_status", body={"uid_led_status": status})

    def reset(self, card: str) -> dict[str, t.Any]:
        """Reset a card's PCI Express side."""
        return self._change("PUT", f"devices/{card}/perst")

    def send_reset_frame(self, card: str) -> dict[str, t.Any]:
        """Send a reset frame to a card."""
        return self._change("PUT", f"devices/{card}/send_reset_frame")

    def forget_port(self, card: str, port: str) -> dict[str, t.Any]:
        """Forget the EEIO that an EESV has stored for a downstream port; only while the port is down [nec]."""
        return self._change("DELETE", f"devices/{card}/ports/{port}/eeio_mac_address")

    # How

    def _condition(self, update_time: str | None) -> dict[str, str]:
        """Return the parameter that makes EEM change a card only if the card has not changed since.

        It is inferred [?] that EEM treats `update_time` as this condition and responds with `40004` if it is not met.
        Nothing else in the collection depends on it.
        """
        return {"update_time": update_time} if update_time and self.conditional else {}

    @staticmethod
    def is_stale(error: EemError, deletes_card: bool = False) -> bool:
        """Whether EEM reports that a change was made from data that are out of date."""
        return error.code in _STALE or (deletes_card and error.code == _STALE_ON_DELETION)

    @staticmethod
    def may_refuse_condition(error: EemError) -> bool:
        """Whether EEM may have refused a change, of a card that has not changed, because of its `update_time`."""
        is_client_error = isinstance(error, (EemRefused, Rejected)) and (error.http_status or 0) >= 400
        return is_client_error and error.http_status not in (404, 409)

    def _change(
        self, method: str, path: str, query: t.Mapping[str, str] | None = None, body: t.Any = None
    ) -> dict[str, t.Any]:
        self._has_changed = True
        return self._exchange(method, path, query, body)

    def _exchange(
        self,
        method: str,
        path: str,
        query: t.Mapping[str, str] | None = None,
        body: t.Any = None,
        interruptible: bool = False,
    ) -> dict[str, t.Any]:
        started = time.monotonic()
        try:
            return self._transport.exchange(method, path, query, body, interruptible)
        except EemError:
            self.patience.spend(time.monotonic() - started)
            raise

    def _list(self, path: str, filters: t.Mapping[str, str], once: bool = False) -> list[t.Any]:
        answer = self._exchange("GET", path, filters, interruptible=True) if once else self._read(path, filters)
        # An empty success means that there are no devices: one of NEC's clients provides for it [nec].
        devices = answer.get("devices", None if answer else [])
        if not isinstance(devices, list):
            url = f"{self.settings.url}/{path}"
            raise UnexpectedAnswer(
                f"GET {url}: the answer contains no list of devices. Is this the URL of EEM (http://HOST:30500/eem)?",
                url=url,
            )
        return devices

    def _read(self, path: str, query: t.Mapping[str, str] | None = None) -> dict[str, t.Any]:
        """Send a GET until it succeeds, the error is permanent, or the time to wait is used up.

        Until the run has sent a change, stop after `retries` more attempts. After a change, keep reading until the time
        to wait is used up, because the outcome must be known.
        """
        pause = self.patience.pauses.read
        tries_left = self.settings.retries
        was_empty = False
        while True:
            interruptible = not self._has_changed  # after a change the outcome must be known
            if interruptible:
                stop_if_interrupted()
            try:
                return self._exchange("GET", path, query, interruptible=interruptible)
            except EemError as error:
                if interruptible:
                    stop_if_interrupted()
                if isinstance(error, EmptyAnswer):
                    if was_empty:
                        return {}  # twice is no accident: this EEM responds like this
                    tries_left += 1  # one more attempt, even with `retries: 0`
                was_empty = isinstance(error, EmptyAnswer)
                is_final = (
                    isinstance(error, (EemRefused, Unauthorized))
                    if self._has_changed
                    else tries_left <= 0 or not _is_temporary(error)
                )
                if is_final or not self.patience.pause(pause):
                    raise
                self.waited.append(f"Asked EEM again: {error.message}")
            tries_left -= 1
            pause = min(2 * pause, self.patience.pauses.longest)


def _is_temporary(error: EemError) -> bool:
    """Whether a read that failed with this error may succeed soon."""
    if isinstance(error, ServerFailed):
        return error.http_status in (502, 503, 504)
    if isinstance(error, UnexpectedAnswer):
        return error.http_status == 404  # HTML: the servlet context is starting, or the URL is wrong
    return isinstance(error, (Unreachable, AnswerLost, TimedOut))
