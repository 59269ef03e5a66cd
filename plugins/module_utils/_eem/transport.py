# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: a time limit for the whole answer, and errors as sentences. Private to the collection."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.nec.expether.plugins.module_utils._eem.errors import (
    MAX_QUOTED,
    SUCCESS,
    AnswerLost,
    EemError,
    EmptyAnswer,
    Request,
    TimedOut,
    TlsFailed,
    UnexpectedAnswer,
    Unreachable,
    describe_body,
    error_of_status,
    parse,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import end_on_signal, forget_ending
from ansible_collections.nec.expether.plugins.module_utils._model.errors import innermost
from ansible_collections.nec.expether.plugins.module_utils._model.libraries import need
from ansible_collections.nec.expether.plugins.module_utils._model.masking import forms_of, mask
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._model.urls import split_zone

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

MAX_ANSWER = 64 * 2**20  # bytes; the complete records of 4,000 cards take a tenth of it
MAX_ERROR = 2**20  # bytes of the body of an error; EEM sends one line
CHUNK = 2**16  # bytes; the decompressed size of one chunk is limited too
MAX_IDLE = 5.0  # seconds; servlet containers close idle connections, by default after 20 s [?], and firewalls drop them


class _Deadline:
    """Ends the connection in use when an exchange takes too long.

    The time-out of a socket starts again with every byte; this one applies to the whole answer.
    """

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self.passed = False

    def watch(self, sock: socket.socket | None) -> None:
        """End this connection when the time is over, which it may be already."""
        self._sock = sock
        if self.passed:
            self.end()

    def end(self) -> None:
        """End the connection in use, or else the next one."""
        self.passed = True
        if self._sock is not None:
            # A TLS socket's own shutdown would first exchange messages with the server. The socket may be closed already.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def start(self, seconds: float) -> threading.Timer:
        """Start the timer of one exchange and return it."""
        self.passed = False
        timer = threading.Timer(seconds, self.end)
        timer.daemon = True
        timer.start()
        return timer


class _Adapter(HTTPAdapter):
    """Reports to the deadline which socket is in use.

    :param zone: the zone of the IPv6 address to connect to
    :param ca_text: the PEM text of the only authorities to trust; `None` for those that requests is told
    """

    def __init__(self, deadline: _Deadline, zone: str | None, ca_text: str | None) -> None:
        self._deadline, self._zone, self._ca_text = deadline, zone, ca_text
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Make the pools with connections that report their socket."""
        super().init_poolmanager(*args, **kwargs)
        deadline, zone, ca_text = self._deadline, self._zone, self._ca_text

        def connected(connection: HTTPConnection, connect: t.Callable[[], socket.socket]) -> socket.socket:
            """Connect with the zone, which neither the `Host` header nor TLS may contain (RFC 6874)."""
            host = connection._dns_host  # the address without brackets
            connection._dns_host = f"{host}%{zone}" if zone else host
            try:
                return connect()
            finally:
                connection._dns_host = host

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connected(self, super()._new_conn)

            def connect(self) -> None:
                super().connect()
                deadline.watch(self.sock)

        class Tls(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                sock = connected(self, super()._new_conn)
                # TLS takes over the socket for its handshake, which a slow server may delay: keep a handle to end it.
                self._plain = sock.dup()
                deadline.watch(self._plain)
                return sock

            def connect(self) -> None:
                if ca_text is not None:
                    # requests only knows files. Without a context urllib3 makes one, which trusts nobody yet.
                    self.ssl_context = self.ca_certs = self.ca_cert_dir = None
                    self.ca_cert_data = ca_text
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
    """Follows no redirects, and does not read the answer to find the target of one."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return that there is no target."""


class Transport:
    """One `requests.Session`, which reuses its connections and closes them at the end.

    A connection that the server has closed is noticed before a request is sent, because its socket is readable. One that
    the server may be about to close is not used: a change that is sent at this moment would be lost.

    The environment (proxies, .netrc, CA bundles) is ignored: only the options count.

    :param url: the base URL without a trailing slash
    :param verify: whether certificates are verified, or the CA file or directory to verify them with
    :param cert: the file of the client certificate, or this file and the file of its key
    :param timeout: seconds for a connection, and for a complete answer
    :param ca_text: the PEM text of the authorities to trust, if `verify` is true
    :raises MissingLibrary: requests is not installed or too old
    """

    def __init__(
        self,
        url: str,
        username: str | None,
        password: str | None,
        verify: bool | str,
        cert: str | tuple[str, str] | None,
        timeout: float,
        ca_text: str | None = None,
    ) -> None:
        need("requests", MISSING)
        self.url = url
        self._base, zone = split_zone(url)
        self._username = username
        self._secrets = forms_of(password, username) if password else set()
        self._empty_password = password == ""
        self._verify = verify
        self._cert = cert
        self._timeout = timeout
        self._deadline = _Deadline()
        self._used = time.monotonic()
        if not verify:
            # The user has set `validate_certs: false`, so urllib3 need not warn about it on stderr.
            urllib3.disable_warnings(InsecureRequestWarning)
        self._session = _Session()
        self._session.trust_env = False
        self._session.headers["Accept"] = "application/json"
        if username is not None:
            self._session.auth = HTTPBasicAuth(username.encode(), (password or "").encode())
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._deadline, zone, ca_text if verify else None))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def exchange(
        self,
        method: str,
        path: str,
        query: t.Mapping[str, str] | None = None,
        body: t.Any = None,
        interruptible: bool = False,
    ) -> dict[str, t.Any]:
        """Send one request and return the JSON object of its success, `{}` if there was no body.

        :param body: what to send as JSON; `None` sends no body
        :param interruptible: whether a signal ends the exchange
        :raises EemError: one of its subclasses
        """
        request = Request(method, self.url, path, self._username, self._secrets, self._empty_password)
        if time.monotonic() - self._used > MAX_IDLE:
            self._session.close()
        timer = self._deadline.start(self._timeout)
        if interruptible:
            end_on_signal(self._deadline.end)
        try:
            response = self._session.request(
                method,
                f"{self._base}/{path}",
                params=dict(query or {}),
                json=body,
                timeout=self._timeout,
                verify=self._verify,
                cert=self._cert,
                allow_redirects=False,
                stream=True,
            )
            status = response.status_code
            with response:
                if _has_stray_body(response):
                    content = b""
                    self._session.close()
                elif status in SUCCESS:
                    content = _content(response, request)
                else:
                    content = _beginning(response)
            if status not in SUCCESS:
                # The status decides, even if the body is missing, incomplete or late.
                raise error_of_status(request, status, content, response.headers.get("Location"))
            if self._deadline.passed:
                # If the deadline struck while headers were read, requests returns an empty response.
                raise requests.ConnectionError("the answer was cut off")
        except requests.RequestException as error:
            raise self._failed(error, request) from None
        except (OSError, ValueError) as error:
            # requests does not wrap the error of a missing certificate file, nor a few errors of urllib3.
            raise self._failed(error, request) from None
        finally:
            timer.cancel()
            self._used = time.monotonic()
            forget_ending(self._deadline.end)
        if not _is_complete(response, content):
            raise EmptyAnswer(
                f"{request}: the connection ended before any content was received, or there is none.", url=request.url
            )
        return _success(request, status, content)

    def _failed(self, error: Exception, request: Request) -> EemError:
        what, url = str(request), request.url
        reason = _reason(error, self._secrets)
        chain = repr(error)  # requests wraps the errors of urllib3: their names appear only here
        # Check this first: the deadline has passed in this case too, but nothing was sent.
        if isinstance(error, requests.ConnectTimeout):
            return Unreachable(f"{what}: no connection within {self._timeout:g} s. Is EEM running there?", url=url)
        if self._deadline.passed or isinstance(error, requests.ReadTimeout) or "ReadTimeoutError" in chain:
            return TimedOut(f"{what}: no complete answer within {self._timeout:g} s.", url=url)
        if isinstance(error, requests.exceptions.InvalidURL):
            return UnexpectedAnswer(f"{what}: the URL cannot be used ({reason}).", url=url)
        if isinstance(error, requests.exceptions.SSLError):
            if "WRONG_VERSION_NUMBER" in chain:  # the server answered the TLS handshake with something else
                return TlsFailed(
                    f"{what}: the server does not speak TLS ({reason}). Use http:// in the URL, or the port of HTTPS.",
                    url=url,
                )
            return TlsFailed(
                f"{what}: the TLS connection failed ({reason}). Check the certificate, `ca_path`,"
                " `client_cert` and `client_key`, or set `validate_certs: false`. Without TLS the URL begins with http://.",
                url=url,
            )
        if isinstance(innermost(error), socket.gaierror):
            return Unreachable(f"{what}: no connection ({reason}). Check the host name in the URL.", url=url)
        if "NewConnectionError" in chain and urlsplit(self._base).port is None:
            return Unreachable(
                f"{what}: no connection ({reason}). Is EEM running there? The URL has no port; EEM's is usually 30500.",
                url=url,
            )
        if "NewConnectionError" in chain:
            return Unreachable(f"{what}: no connection ({reason}). Is EEM running there?", url=url)
        if isinstance(error, (requests.RequestException, ConnectionError)):
            return AnswerLost(f"{what}: the connection ended before the answer was complete ({reason}).", url=url)
        if isinstance(error, OSError):
            return TlsFailed(f"{what}: a certificate file cannot be used ({error}).", url=url)
        return UnexpectedAnswer(f"{what}: the request or its answer is not valid HTTP ({reason}).", url=url)


def _success(request: Request, status: int, content: bytes) -> dict[str, t.Any]:
    if not content.strip():
        return {}
    parsed = parse(content)
    if isinstance(parsed, dict):
        return parsed
    raise UnexpectedAnswer(
        f"{request}: HTTP {status}, but the answer is {describe_body(content)}, not EEM's JSON."
        " Is this the URL of EEM (http://HOST:30500/eem)?",
        http_status=status,
        url=request.url,
    )


def _content(response: requests.Response, request: Request) -> bytes:
    """Return the body, up to MAX_ANSWER bytes: a small compressed answer may expand without limit."""
    content = bytearray()
    for chunk in response.iter_content(CHUNK):
        content += chunk
        if len(content) > MAX_ANSWER:
            raise UnexpectedAnswer(
                f"{request}: the answer is longer than {MAX_ANSWER // 2**20} MiB, so it is not from EEM.",
                url=request.url,
            )
    return bytes(content)


def _beginning(response: requests.Response) -> bytes:
    """Return as much of the body of an error as is received, up to MAX_ERROR bytes."""
    content = bytearray()
    with contextlib.suppress(requests.RequestException, OSError, ValueError):
        for chunk in response.iter_content(CHUNK):
            content += chunk
            if len(content) >= MAX_ERROR:
                break
    return bytes(content[:MAX_ERROR])


def _has_stray_body(response: requests.Response) -> bool:
    """Whether HTTP allows no body with this status, but one may follow.

    On the same connection it would be mistaken for the answer to the next request.
    """
    headers = response.headers
    announced = headers.get("Content-Length", "0").strip() != "0" or "Transfer-Encoding" in headers
    return response.status_code < 200 or (response.status_code in (204, 304) and announced)


def _is_complete(response: requests.Response, content: bytes) -> bool:
    """Whether an answer without a body is complete.

    A response cut off inside its headers also looks empty. Any other truncation shows up as invalid JSON.
    """
    headers = response.headers
    has_length = headers.get("Content-Length", "").strip() == str(len(content))
    is_chunked = "chunked" in headers.get("Transfer-Encoding", "")
    return bool(content.strip()) or response.status_code == 204 or has_length or is_chunked


def _reason(error: BaseException, secrets: t.Collection[str]) -> str:
    """Return the innermost reason of a wrapped error, which mentions no pool and no object."""
    error = innermost(error)
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(mask(text.strip(), secrets), MAX_QUOTED) or type(error).__name__
