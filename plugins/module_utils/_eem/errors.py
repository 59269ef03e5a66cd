# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong with an HTTP exchange, and which error a status means. Private to the collection."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import SplitResult, urljoin, urlsplit

from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.masking import mask
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable, read_json

MAX_QUOTED = 300  # characters of a server's own words that a message repeats
SUCCESS = (200, 201, 202, 204)
_REDIRECTS = (301, 302, 303, 307, 308)
_EXAMPLE = "http://HOST:30500/eem"


class EemError(ExpetherError):
    """EEM, or whatever responds in its place, did not do what was requested.

    :ivar sent: whether EEM may have received the request, so that a change may have been made
    :ivar refused: whether the answer means that the request was not carried out
    """

    kind = "eem"
    sent = True
    refused = False

    @property
    def final(self) -> bool:
        """Whether sending the same request again is useless: it was refused, and not because EEM is starting."""
        return self.refused and not (isinstance(self, UnexpectedAnswer) and self.http_status == 404)


class Unreachable(EemError):
    """No connection could be made, so nothing was sent."""

    kind = "unreachable"
    sent = False


class TlsFailed(EemError):
    """The certificate of the server, or ours, was not accepted."""

    kind = "tls"
    sent = False


class AnswerLost(EemError):
    """The connection ended before the answer was complete."""

    kind = "connection_lost"


class EmptyAnswer(AnswerLost):
    """A success without a body, and without a header that announces none: perhaps cut off inside its headers."""


class TimedOut(EemError):
    """The answer was not complete in time."""

    kind = "timeout"


class Unauthorized(EemError):
    """EEM did not accept the credentials, or they are not allowed to do this."""

    kind = "unauthorized"
    sent = False
    refused = True


class UnexpectedAnswer(EemError):
    """The answer cannot come from EEM: HTML, broken JSON, another service."""

    kind = "not_eem"


class Rejected(UnexpectedAnswer):
    """A redirect, or HTTP 4xx without EEM's JSON: whoever responded did not carry the request out."""

    sent = False
    refused = True


class ServerFailed(EemError):
    """HTTP 5xx."""

    kind = "server_error"


class EemRefused(EemError):
    """EEM refused the request with an HTTP status 4xx and its own JSON."""

    kind = "eem_refused"
    refused = True


class Request(t.NamedTuple):
    """A request, as error messages name it.

    :ivar base: EEM's URL without a trailing slash
    :ivar path: the path below it, without a leading slash
    :ivar secrets: what must be masked if the answer repeats it
    """

    method: str
    base: str
    path: str
    username: str | None
    secrets: t.Collection[str] = ()

    @property
    def url(self) -> str:
        """The requested URL."""
        return f"{self.base}/{self.path}"

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


def error_of_status(request: Request, status: int, content: bytes, location: str | None) -> EemError:
    """Return the error that a status other than a success means, whatever the body is and even if it is missing.

    :param content: as much of the body as was received
    :param location: the header `Location`
    """
    parsed = parse(content)
    code = message = None
    if isinstance(parsed, dict):
        code, message = _quoted(request, parsed.get("code")) or None, _quoted(request, parsed.get("message"))
    reason = f"HTTP {status}" + (f", code {code}" if code else "") + (f": {message}" if message else "")
    more: dict[str, t.Any] = {"code": code, "http_status": status, "url": request.url}
    if status in (401, 403):
        who = f"user {request.username!r}" if request.username is not None else "access without a user name"
        advice = "Check `username` and `password`."
        return Unauthorized(f"{request}: EEM does not accept {who} ({reason}). {advice}", **more)
    if status in _REDIRECTS:
        return Rejected(f"{request}: {_redirect(request, status, location)}", **more)
    if status >= 500:
        return ServerFailed(f"{request}: EEM failed ({reason}).", **more)
    if status >= 400 and isinstance(parsed, dict):
        return EemRefused(f"{request}: EEM refused it ({reason}).", **more)
    kind = Rejected if 300 <= status < 500 else UnexpectedAnswer
    return kind(
        f"{request}: HTTP {status} with {describe_body(content)} instead of EEM's JSON."
        f" Is this the URL of EEM ({_EXAMPLE}), and has it started?",
        **more,
    )


def parse(content: bytes) -> t.Any:
    """Return the value of a JSON text, with printable texts; `None` if it is not JSON."""
    try:
        return read_json(content)
    except (ValueError, RecursionError):
        return None


def describe_body(content: bytes) -> str:
    """Return in words what kind of body this is, which is not EEM's JSON."""
    text = content.lstrip()[:100].lower()
    if not text:
        return "no body"
    if text.startswith(b"<"):
        return "HTML" if b"html" in text else "XML or HTML"
    if text[:1] in (b"{", b"["):
        return "JSON of another form" if parse(content) is not None else "broken JSON"
    return "something else"


def _quoted(request: Request, value: t.Any) -> str:
    """Return a text or number of an error's JSON for a message; `""` for lists and objects, which EEM does not send."""
    if not isinstance(value, (str, int, float)):
        return ""
    # Mask before cutting: the first half of a password would not be recognised.
    return printable(mask(str(value).strip(), request.secrets), MAX_QUOTED)


def _redirect(request: Request, status: int, location: str | None) -> str:
    """Return where a redirect leads and what to do about it, as sentences."""
    if not location:
        return f"HTTP {status} redirects without a target. Is this the URL of EEM ({_EXAMPLE})?"
    target = _target(request, location)
    if target is None:
        return f"HTTP {status} redirects to something that is not an HTTP address. Is this the URL of EEM ({_EXAMPLE})?"
    advice = "Redirects are not followed: set `url` to the address of EEM itself."
    source = urlsplit(request.base)
    if (source.scheme, target.scheme) == ("http", "https") and source.hostname == target.hostname:
        same_path = target.path.endswith(f"/{request.path}")
        path = target.path[: -len(request.path) - 1] if same_path else source.path
        secure = printable(mask(target._replace(path=path).geturl(), request.secrets), MAX_QUOTED)
        advice = f"Redirects are not followed: set `url` to {secure} if EEM is reached by HTTPS."
    return f"HTTP {status} redirects to {printable(mask(target.geturl(), request.secrets), MAX_QUOTED)}. {advice}"


def _target(request: Request, location: str) -> SplitResult | None:
    """Return the target of a redirect without parts that may be secret: user, password, session, query and fragment."""
    try:
        # requests decodes headers as Latin-1, whatever they contain.
        text = location.encode("latin-1", "replace").decode("utf-8", "replace")
        parts = urlsplit(urljoin(request.url, text))
        parts = parts._replace(
            netloc=parts.netloc.rpartition("@")[2], path=re.sub(r";[^/]*", "", parts.path), query="", fragment=""
        )
        return parts if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None
