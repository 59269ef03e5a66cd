# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""EEM's REST calls, one method a call. Private to the collection.

The calls are those of the EEM interface notes ([nec][drv][hw] unless a method says otherwise). Reads are
tried again; a change is sent once, and whoever sent it must read the card when its answer is lost.
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
from ansible_collections.nec.expether.plugins.module_utils._eem.patience import Patience
from ansible_collections.nec.expether.plugins.module_utils._eem.transport import Transport

#: "My picture is stale, list again" [nec]; C(40011) says it on a delete only.
_STALE = ("40004", "40400", "50003")
_STALE_ON_DELETE = "40011"

FIRST_PAUSE = 0.5  # seconds before a read's second try; doubled each time
LONGEST_PAUSE = 8.0


class Settings(t.NamedTuple):
    """How to reach an EEM.

    :ivar url: the base URL without a slash at its end
    :ivar ca_path: a file or folder with the authorities to trust; C(None) for the usual ones
    :ivar client_cert: a PEM file with a chain [nec], with its key or beside C(client_key)
    :ivar timeout: seconds for a connection, and for a whole answer
    :ivar retries: how often a read is tried again before anything was changed, and a plan is made again
    """

    url: str
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    timeout: float = 30.0
    retries: int = 3
    conditional_updates: bool = True

    @property
    def patience(self) -> float:
        """How many seconds a run waits in all."""
        return self.timeout * (self.retries + 1)


class Listing(t.NamedTuple):
    """An answer to a list: the records as they came, and EEM's time stamp."""

    devices: list[t.Any]
    timestamp: str | None


class Client:
    """One EEM over one session. Use it as a context manager.

    :ivar waited: what reads had to be tried again for, as sentences
    :ivar patience: how long the run still waits
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.patience = Patience(settings.patience)
        self.waited: list[str] = []
        self._has_changed = False
        # Turned off for the rest of the run when this EEM turns out to refuse the parameter.
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
            settings.validate_certs and (settings.ca_path or True),
            cert,
            settings.timeout,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._transport.close()

    # Reads

    def api_version(self) -> str:
        """Return EEM's API version, such as C(v1.0.8) [hw]."""
        version = self._read("api_version").get("version_number")
        if not isinstance(version, str):
            raise UnexpectedAnswer(
                f"GET {self.settings.url}/api_version: the answer has no version_number."
                " Is this the URL of EEM (http://HOST:30500/eem)?",
                url=f"{self.settings.url}/api_version",
            )
        return version

    def devices(self, **filters: str) -> Listing:
        """Return the ids of all cards; C(filters) are C(status), C(group_id) and C(update_time)."""
        return self._list("devices", filters)

    def devices_detail(self, **filters: str) -> Listing:
        """Return the records of all cards, EESVs and EEIOs together [nec]; filters as in C(devices)."""
        return self._list("devices/detail", filters)

    def device(self, card: str) -> dict[str, t.Any]:
        """Return one card's record."""
        record = self._read(f"devices/{card}").get("device")
        if not isinstance(record, dict):
            url = f"{self.settings.url}/devices/{card}"
            raise UnexpectedAnswer(f"GET {url}: the answer has no device.", url=url)
        return record

    def uid_led(self, card: str) -> str | None:
        """Return whether the locator LED is C(on) or C(off)."""
        return _text(self._read(f"devices/{card}/uid_led_status").get("uid_led_status"))

    def rotary_switch(self, card: str) -> str | None:
        """Return the position of a card's rotary switch."""
        return _text(self._read(f"devices/{card}/rotary_switch_status").get("rotary_switch_status"))

    def groups(self) -> list[str]:
        """Return the group ids that are in use."""
        found = self._read("groups").get("groups")
        return [str(group.get("id")) for group in found if isinstance(group, dict)] if isinstance(found, list) else []

    # Changes

    def set_group(self, card: str, group_id: str | None, update_time: str | None = None) -> dict[str, t.Any]:
        """Give a card a group id; with C(None), for an EESV only, EEM picks one [nec][drv].

        :returns: C(group_id) and C(update_time), or C({})
        """
        body = {"group_id": group_id, **self._condition(update_time)}
        return self._change("PUT", f"devices/{card}/group_id", body=body)

    def clear_group(self, card: str, update_time: str | None = None) -> dict[str, t.Any]:
        """Delete a card's group id: an EEIO is free then (4093), an EESV has none (4094).

        :returns: C(update_time), or C({})
        """
        return self._change("DELETE", f"devices/{card}/group_id", query=self._condition(update_time))

    def forget_device(self, card: str, force: bool = False) -> dict[str, t.Any]:
        """Forget a card; unforced only one that no longer answers [nec]."""
        return self._change("DELETE", f"devices/{card}", query={"force": "enabled"} if force else {})

    def audit(self, card: str) -> dict[str, t.Any]:
        """Have EEM read a card's state again [nec]."""
        return self._change("PUT", f"devices/{card}/audit")

    def set_uid_led(self, card: str, status: str) -> dict[str, t.Any]:
        """Light the locator LED (C(on)) or not (C(off))."""
        return self._change("PUT", f"devices/{card}/uid_led_status", body={"uid_led_status": status})

    def reset(self, card: str) -> dict[str, t.Any]:
        """Reset a card's PCI Express side."""
        return self._change("PUT", f"devices/{card}/perst")

    def send_reset_frame(self, card: str) -> dict[str, t.Any]:
        """Send a reset frame to a card."""
        return self._change("PUT", f"devices/{card}/send_reset_frame")

    def forget_port(self, card: str, port: str) -> dict[str, t.Any]:
        """Forget the EEIO that an EESV remembers on a downstream port; only while it is down [nec]."""
        return self._change("DELETE", f"devices/{card}/ports/{port}/eeio_mac_address")

    # How

    def _condition(self, update_time: str | None) -> dict[str, str]:
        """Return the parameter that has EEM change a card only if it has not changed since.

        That EEM takes C(update_time) as this condition, and answers C(40004) when it is not met, is an
        inference [?]; nothing else in the collection depends on it.
        """
        return {"update_time": update_time} if update_time and self.conditional else {}

    @staticmethod
    def is_stale(error: EemError, deleting: bool = False) -> bool:
        """Whether EEM says that the picture which a change was made from is stale."""
        return error.code in _STALE or (deleting and error.code == _STALE_ON_DELETE)

    @staticmethod
    def may_refuse_condition(error: EemError) -> bool:
        """Whether a refused change of a card that has not changed may be refused for its C(update_time)."""
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
            return self._transport.exchange(method, path, query, body, interruptible).body
        except EemError:
            self.patience.spend(time.monotonic() - started)
            raise

    def _list(self, path: str, filters: t.Mapping[str, str]) -> Listing:
        answer = self._read(path, filters)
        # An empty success to a list means: no devices (provided for by a client).
        found = answer.get("devices", None if answer else [])
        if not isinstance(found, list):
            url = f"{self.settings.url}/{path}"
            raise UnexpectedAnswer(
                f"GET {url}: the answer has no list of devices. Is this the URL of EEM (http://HOST:30500/eem)?",
                url=url,
            )
        return Listing(found, answer.get("timestamp"))

    def _read(self, path: str, query: t.Mapping[str, str] | None = None) -> dict[str, t.Any]:
        """Send a GET until it succeeds, or the error will not pass, or patience is at its end.

        Before anything was changed C(retries) more tries are enough: nothing is lost by giving up. After that it
        must be learnt what is true.
        """
        pause = FIRST_PAUSE
        tries_left = self.settings.retries
        was_empty = False
        while True:
            interruptible = not self._has_changed  # afterwards what is true must be learnt
            if interruptible:
                stop_if_interrupted()
            try:
                return self._exchange("GET", path, query, interruptible=interruptible)
            except EemError as error:
                if interruptible:
                    stop_if_interrupted()
                if isinstance(error, EmptyAnswer):
                    if was_empty:
                        return {}  # no accident: this EEM answers so
                    tries_left += 1  # also where nothing else is tried again
                was_empty = isinstance(error, EmptyAnswer)
                passing = not isinstance(error, (EemRefused, Unauthorized)) if self._has_changed else _is_passing(error)
                tired = tries_left <= 0 and not self._has_changed
                if tired or not passing or not self.patience.pause(pause):
                    raise
                self.waited.append(f"Asked EEM again: {error.message}")
            tries_left -= 1
            pause = min(2 * pause, LONGEST_PAUSE)


def _text(value: t.Any) -> str | None:
    """Return a value that EEM says as text, also where it came as a number; C(None) for all else."""
    return str(value) if isinstance(value, (str, int)) else None


def _is_passing(error: EemError) -> bool:
    """Whether what went wrong with a read may be over soon."""
    if isinstance(error, ServerFailed):
        return error.http_status in (502, 503, 504)
    if isinstance(error, UnexpectedAnswer):
        return error.http_status == 404  # HTML: the context is starting, or it is a wrong one
    return isinstance(error, (Unreachable, AnswerLost, TimedOut))
