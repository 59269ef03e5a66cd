# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to the JSON gateway of etcd 3.4 or later, at whichever member answers. Private to the collection."""

from __future__ import annotations

import time
import typing as t
from base64 import b64encode

from ansible_collections.nec.expether.plugins.module_utils._model.errors import innermost
from ansible_collections.nec.expether.plugins.module_utils._model.libraries import need
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._registry.etcd_url import EtcdUrl
from ansible_collections.nec.expether.plugins.module_utils._registry.store import RegistryError

MISSING: Exception | None = None
try:
    import requests
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing

Json = dict[str, t.Any]

_ADVICE = "etcd needs more than half of its members. Check them with `etcdctl endpoint health`, and run the task again."
_ADVICE_TLS = (
    "Check the certificates in the URL (ca, cert and key). The URL of members without TLS begins with etcd://."
)
_ADVICE_NO_TLS = "Check them with `etcdctl endpoint health`. The URL of members with TLS begins with etcds://."

RECONNECT_SECONDS = 60.0  # how long a run waits for a member that can answer, for example until there is a leader again
FIRST_SECONDS = 10.0  # the same, if no member has answered this run yet or any more
_CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 12.0  # a member without a leader answers after 7 s with the reason
_PAUSE = 0.1  # seconds between two rounds
_LONGEST_REASON = 200
# Codes of gRPC. etcd reports with them that it may succeed at another member, or later.
_CANCELLED, _DEADLINE, _DENIED, _EXHAUSTED, _UNAVAILABLE, _UNAUTHENTICATED = 1, 4, 7, 8, 14, 16


class EtcdError(Exception):
    """etcd has refused a request, at whichever member; the text is its message."""


class NoMember(RegistryError):
    """No member has answered in time.

    :ivar is_sent: whether a member may have carried out the request
    """

    is_sent = False


class _Lost(Exception):
    """One member has not answered a request.

    :ivar is_sent: whether it may have carried out the request
    :ivar is_refused: whether it accepted no connection, and will not a second later either
    :ivar advice: what to do if all members are lost for such a reason
    """

    def __init__(self, reason: str, is_sent: bool, is_refused: bool = False, advice: str = _ADVICE) -> None:
        super().__init__(reason)
        self.advice = advice
        self.is_sent = is_sent
        self.is_refused = is_refused


class Gateway:
    """The members of one etcd.

    :param seconds: how long to wait for an answer of one member
    :ivar has_answered: whether some member has answered the last request
    :raises MissingLibrary: requests is not installed or too old
    """

    def __init__(self, url: EtcdUrl, seconds: float) -> None:
        need("requests", MISSING)
        self._url = url
        self._seconds = seconds
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies, and no passwords of ~/.netrc
        self._session.verify = url.ca or True
        self._session.cert = (url.cert, url.key) if url.cert and url.key else url.cert
        self._member = 0
        self.has_answered = False
        self._token: str | None = None

    def call(self, what: str, path: str, body: Json) -> tuple[Json, bool]:
        """Return the answer to a request, and whether it was sent before to a member that did not answer.

        So a request must do no harm if it is carried out twice, also if that happens after the second answer.

        :param what: for messages: what happens to the registry, such as `read`
        :raises EtcdError: etcd refuses it
        :raises NoMember: no member has answered in time
        """
        deadline = time.monotonic() + (RECONNECT_SECONDS if self.has_answered else FIRST_SECONDS)
        is_sent = False
        while True:
            lost: dict[str, _Lost] = {}
            for dummy in self._url.endpoints:
                endpoint = self._url.endpoints[self._member]
                try:
                    answer = self._authenticated(endpoint, path, body)
                    self.has_answered = True
                    return answer, is_sent
                except _Lost as error:
                    lost[endpoint] = error
                    is_sent = is_sent or error.is_sent
                    self._member = (self._member + 1) % len(self._url.endpoints)
            is_hopeless = not self.has_answered and all(error.is_refused for error in lost.values())
            if is_hopeless or time.monotonic() > deadline:
                self.has_answered = False
                reasons = "; ".join(f"{endpoint.partition('://')[2]}: {error}" for endpoint, error in lost.items())
                advice = {error.advice for error in lost.values()}
                problem = NoMember(
                    f"The registry {self._url.shown} cannot be {what}, because no member of etcd can answer ({reasons})."
                    f" {advice.pop() if len(advice) == 1 else _ADVICE}"
                )
                problem.is_sent = is_sent
                raise problem
            time.sleep(_PAUSE)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _authenticated(self, endpoint: str, path: str, body: Json) -> Json:
        """Return the answer of one member, with a new token if the old one is not valid there any more."""
        if self._url.user is None:
            return self._post(endpoint, path, body)
        if self._token is None:
            self._token = self._new_token(endpoint, self._url.user)
        try:
            return self._post(endpoint, path, body)
        except EtcdError as error:
            if not ("invalid auth token" in str(error) or "revision of auth store is old" in str(error)):
                raise
        self._token = self._new_token(endpoint, self._url.user)
        return self._post(endpoint, path, body)

    def _new_token(self, endpoint: str, user: str) -> str:
        """Return a token, or an empty text if etcd does not ask for users."""
        self._token = None
        try:
            answer = self._post(endpoint, "auth/authenticate", {"name": user, "password": self._url.password()})
        except EtcdError as error:
            if "authentication is not enabled" in str(error):
                return ""
            raise
        return str(answer.get("token", ""))

    def _post(self, endpoint: str, path: str, body: Json) -> Json:
        """Return the answer of one member to one request.

        :raises EtcdError: it refuses the request
        :raises _Lost: it has not answered, or not yet
        :raises RegistryError: a file for TLS cannot be used
        """
        headers = {"Authorization": self._token} if self._token else {}
        try:
            response = self._session.post(
                f"{endpoint}/v3/{path}",
                json=body,
                headers=headers,
                timeout=(_CONNECT_SECONDS, self._seconds),
                allow_redirects=False,
            )
            status = response.status_code
        except requests.RequestException as error:
            chain = repr(error)  # requests wraps the errors of urllib3: their names appear only here
            is_tls = isinstance(error, requests.exceptions.SSLError)
            refuses = is_tls or any(name in chain for name in ("NewConnectionError", "NameResolutionError"))
            is_sent = not (refuses or isinstance(error, requests.ConnectTimeout))
            advice = _ADVICE_TLS if is_tls else _ADVICE
            if "RemoteDisconnected" in chain and endpoint.startswith("http://"):
                advice = _ADVICE_NO_TLS
            raise _Lost(_reason(error), is_sent, refuses, advice) from None
        except OSError as error:
            raise RegistryError(
                f"The registry {self._url.shown} cannot be used: a certificate file cannot be used ({error})."
            ) from None
        try:
            answer: Json = response.json()
            found = answer.get("error")
        except (ValueError, AttributeError, RecursionError):
            # Also a proxy whose member has died.
            problem = f"HTTP {status} without an answer of etcd 3.4 or later"
            raise _Lost(problem, is_sent=status >= 500, is_refused=status < 500) from None
        if status == 200 and not found:
            return answer
        # The error of a streaming request is an object.
        reported: Json = found if isinstance(found, dict) else answer
        code = reported.get("code", reported.get("grpc_code"))
        message = printable(str(reported.get("message") or found or f"HTTP {status}"), _LONGEST_REASON)
        is_busy = code == _EXHAUSTED and "too many requests" in message
        if code in (_CANCELLED, _DEADLINE, _UNAVAILABLE) or is_busy or (code is None and status >= 500):
            raise _Lost(message, is_sent=True)
        raise EtcdError(message)


def text64(text: str) -> str:
    """Return a text as the gateway transports it."""
    return b64encode(text.encode()).decode()


def _reason(error: BaseException) -> str:
    """Return the reason of a wrapped error."""
    error = innermost(error)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text.strip(), _LONGEST_REASON) or type(error).__name__
