# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: a bounded wait for the whole answer, and errors as sentences. Private to the collection."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._libraries import need
from ansible_collections.nec.expether.plugins.module_utils._masking import CUT

MISSING: Exception | None = None
try:
    import requests
    import urllib3
    from requests import Session
    from requests.adapters import HTTPAdapter
    from requests.auth import HTTPBasicAuth
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import InsecureRequestWarning
except Exception as missing:  # noqa: BLE001  # pylint: disable=broad-exception-caught
    MISSING = missing
    HTTPAdapter = Session = object  # type: ignore[assignment, misc]

MAX_TEXT = 300  # how much of a server's own words a message repeats
MAX_ANSWER = 64 * 2**20  # bytes; 4,000 cards with all that is known of them are a tenth of it
CHUNK = 2**16  # bytes; what is unpacked of as many is bounded too


class EemError(ExpetherError):
    """EEM, or what answers in its place, did not do what was asked.

    :ivar sent: whether EEM may have got the request; if so, a change may have been made
    """

    kind = "eem"
    sent = True


class Unreachable(EemError):
    """No connection could be made, so that nothing was sent."""

    kind = "unreachable"
    sent = False


class TlsFailed(EemError):
    """The server's certificate, or ours, was not accepted."""

    kind = "tls"
    sent = False


class AnswerLost(EemError):
    """The connection ended before the answer was complete."""

    kind = "connection_lost"


class Bare(AnswerLost):
    """An answer without content that does not say that it has none: it may have been cut off in its headers."""


class TimedOut(EemError):
    """The answer was not complete in time."""

    kind = "timeout"


class Unauthorized(EemError):
    """EEM did not accept the credentials, or does not let them do this."""

    kind = "unauthorized"
    sent = False


class NotEem(EemError):
    """The answer is not one that EEM gives: HTML, broken JSON, another service."""

    kind = "not_eem"


class ServerFailed(EemError):
    """HTTP 5xx."""

    kind = "server_error"


class Denied(EemError):
    """EEM refused the request with an HTTP status 4xx and its own JSON."""

    kind = "eem_refused"


class _Deadline:
    """Ends the connection in use when an exchange takes longer than it may.

    The time-outs of sockets start anew with every byte; this one holds for the whole answer.
    """

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self.passed = False

    def watch(self, sock: socket.socket | None) -> None:
        """Have this connection ended when the time is over; it may be over already."""
        self._sock = sock
        if self.passed:
            self._end()

    def _end(self) -> None:
        self.passed = True
        if self._sock is not None:
            # A TLS socket's own shutdown would first talk to the other side. It may be closed already.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def start(self, seconds: float) -> threading.Timer:
        """Return the running timer of one exchange."""
        self.passed = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        return timer


class _Adapter(HTTPAdapter):
    """Tells the deadline which socket is in use."""

    def __init__(self, deadline: _Deadline) -> None:
        self._deadline = deadline
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Make the pools with connections that report their socket."""
        super().init_poolmanager(*args, **kwargs)
        deadline = self._deadline

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                deadline.watch(self.sock)

        class Tls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                sock = super()._new_conn()
                # TLS takes the socket over and agrees on keys with the server, which may take its time.
                self._plain = sock.dup()
                deadline.watch(self._plain)
                return sock

            def connect(self) -> None:
                try:
                    super().connect()
                finally:
                    deadline.watch(self.sock)
                    if hasattr(self, "_plain"):
                        self._plain.close()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class TlsPool(HTTPSConnectionPool):
            ConnectionCls = Tls

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}


class _Session(Session):
    """Follows no redirect, and does not read the answer to find where it would lead."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return that it leads nowhere."""


class Answer(t.NamedTuple):
    """A success: its JSON object, C({}) where there was no body."""

    status: int
    body: dict[str, t.Any]


class Transport:
    """One C(requests.Session): connections are reused, and closed at the end.

    The environment (proxies, .netrc, CA bundles) is left out: what the options say holds.

    :param url: the base URL without a slash at its end
    :param verify: whether certificates are verified, or the CA file or folder to do it with
    :param cert: the client certificate's file, or it and its key's
    :param timeout: seconds for a connection, and for a whole answer
    :raises MissingLibrary: requests is not installed, or too old
    """

    def __init__(
        self,
        url: str,
        username: str | None,
        password: str | None,
        verify: bool | str,
        cert: str | tuple[str, str] | None,
        timeout: float,
    ) -> None:
        need("requests", MISSING)
        self.url = url
        self._username = username
        self._verify = verify
        self._cert = cert
        self._timeout = timeout
        self._deadline = _Deadline()
        if not verify:
            # The user has said validate_certs: false; urllib3 need not say it again on stderr.
            urllib3.disable_warnings(InsecureRequestWarning)
        self._session = _Session()
        self._session.trust_env = False
        self._session.headers["Accept"] = "application/json"
        if username is not None:
            self._session.auth = HTTPBasicAuth(username.encode(), (password or "").encode())
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._deadline))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def exchange(self, method: str, path: str, query: t.Mapping[str, str] | None = None, body: t.Any = None) -> Answer:
        """Send one request and return its success.

        :param body: what to send as JSON; C(None) sends no body
        :raises EemError: one of its kinds
        """
        url = f"{self.url}/{path}"
        timer = self._deadline.start(self._timeout)
        try:
            response = self._session.request(
                method,
                url,
                params=dict(query or {}),
                json=body,
                timeout=self._timeout,
                verify=self._verify,
                cert=self._cert,
                allow_redirects=False,
                stream=True,
            )
            with response:
                content = _content(response, f"{method} {url}", url)
            if self._deadline.passed:
                # Where the time was over in the midst of the headers, they and the body look like empty ones.
                raise requests.ConnectionError("the answer was cut off")
        except requests.RequestException as error:
            raise self._failed(error, method, url) from None
        except (OSError, ValueError) as error:
            # requests lets a missing certificate file and a few urllib3 errors through as they are.
            raise self._failed(error, method, url) from None
        finally:
            timer.cancel()
        if not _is_whole(response, content):
            raise Bare(f"{method} {url}: the connection ended before any content came, or there is none.", url=url)
        return self._read(response.status_code, content, method, url)

    def _failed(self, error: Exception, method: str, url: str) -> EemError:
        what = f"{method} {url}"
        chain = repr(error)  # requests wraps urllib3's errors and keeps their names only here
        if self._deadline.passed or isinstance(error, requests.ReadTimeout) or "ReadTimeoutError" in chain:
            return TimedOut(f"{what}: no complete answer within {self._timeout:g} s.", url=url)
        if isinstance(error, requests.exceptions.InvalidURL):
            return NotEem(f"{what}: the URL cannot be used ({_reason(error)}).", url=url)
        if isinstance(error, requests.exceptions.SSLError):
            return TlsFailed(
                f"{what}: the TLS connection failed ({_reason(error)}). Check the certificate, ca_path, client_cert"
                " and client_key, or say validate_certs: false; or is it http that EEM speaks there?",
                url=url,
            )
        if isinstance(error, requests.ConnectTimeout):
            return Unreachable(f"{what}: no connection within {self._timeout:g} s. Is EEM running there?", url=url)
        if "NewConnectionError" in chain or "NameResolutionError" in chain:
            return Unreachable(f"{what}: no connection ({_reason(error)}). Is EEM running there?", url=url)
        if isinstance(error, (requests.RequestException, ConnectionError)):
            return AnswerLost(
                f"{what}: the connection ended before a complete answer came ({_reason(error)}).", url=url
            )
        if isinstance(error, OSError):
            return TlsFailed(f"{what}: a certificate's file cannot be used ({error}).", url=url)
        return NotEem(f"{what}: the request or its answer is not valid HTTP ({_reason(error)}).", url=url)

    def _read(self, status: int, content: bytes, method: str, url: str) -> Answer:
        what = f"{method} {url}"
        parsed = _parse(content)
        if status in (200, 201, 202, 204):
            if not content.strip():
                return Answer(status, {})
            if isinstance(parsed, dict):
                return Answer(status, parsed)
            raise NotEem(
                f"{what}: HTTP {status}, but the answer is {_described(content)}, not EEM's JSON."
                " Is this the URL of EEM (http://HOST:30500/eem)?",
                http_status=status,
                url=url,
            )
        code = message = None
        if isinstance(parsed, dict):
            code, message = _said(parsed.get("code")) or None, _said(parsed.get("message"))
        said = f"HTTP {status}" + (f", code {code}" if code else "") + (f": {message}" if message else "")
        more: dict[str, t.Any] = {"code": code, "http_status": status, "url": url}
        if status in (401, 403):
            who = f"user {self._username!r}" if self._username is not None else "access without a user name"
            raise Unauthorized(f"{what}: EEM does not accept {who} ({said}). Check username and password.", **more)
        if status >= 500:
            raise ServerFailed(f"{what}: EEM failed ({said}).", **more)
        if status >= 400 and isinstance(parsed, dict):
            raise Denied(f"{what}: EEM refused it ({said}).", **more)
        raise NotEem(
            f"{what}: HTTP {status} with {_described(content)} instead of EEM's JSON."
            " Is this the URL of EEM (http://HOST:30500/eem), and has it started?",
            **more,
        )


def _content(response: requests.Response, what: str, url: str) -> bytes:
    """Return the whole body of an answer; not of one that would fill the memory, as a packed one may that is short."""
    content = bytearray()
    for chunk in response.iter_content(CHUNK):
        content += chunk
        if len(content) > MAX_ANSWER:
            raise NotEem(f"{what}: the answer is longer than {MAX_ANSWER // 2**20} MiB, and none of EEM's.", url=url)
    return bytes(content)


def _is_whole(response: requests.Response, content: bytes) -> bool:
    """Whether nothing is missing of an answer that says nothing: one that was cut off in its headers says as much.

    Of all others their JSON tells.
    """
    headers = response.headers
    said = headers.get("Content-Length", "").strip() == str(len(content)) or "chunked" in headers.get("Transfer-Encoding", "")
    return bool(content.strip()) or response.status_code == 204 or said


def _parse(content: bytes) -> t.Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _described(content: bytes) -> str:
    text = content.lstrip()[:100].lower()
    if not text:
        return "no body"
    if text.startswith(b"<"):
        return "HTML" if b"html" in text else "XML or HTML"
    if text[:1] in (b"{", b"["):
        return "JSON of another form" if _parse(content) is not None else "broken JSON"
    return "something else"


def _said(value: t.Any) -> str:
    """Return a text or number of an error's JSON; what has parts is none of EEM's, and might go as deep as JSON can."""
    return _printable(str(value)) if isinstance(value, (str, int, float)) else ""


def _printable(text: str) -> str:
    text = "".join(char if char.isprintable() else " " for char in text).strip()
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT


def _reason(error: BaseException) -> str:
    """Return the innermost reason of a wrapped error, which names no pool and no object."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        inner = inner or error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return _printable(text) or type(error).__name__
