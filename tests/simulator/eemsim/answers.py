# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses, before they are sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass
class Answer:
    """Status, body and headers. The last fields describe how a fault disturbs the sending."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    reset: bool = False
    cut_at: float | None = None
    chunked: bool = False
    trickle: float | None = None
    no_length: bool = False


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


def error(code: str, message: str, status: int | None = None) -> Answer:
    """``{"code": "40400", "message": "..."}``: five digits as text; the first three are the HTTP status [nec][drv]."""
    return json_answer({"code": code, "message": message}, status or int(code[:3]))


def html(status: int, detail: str = "", headers: dict[str, str] | None = None) -> Answer:
    """Tomcat's own error page: for 401, a wrong context path, a crash or a restart [drv]."""
    reason = reason_of(status)
    page = (
        f"<html><head><title>Apache Tomcat - Error report</title></head><body><h1>HTTP Status {status} - {detail}</h1>"
        f"<hr><p><b>type</b> Status report</p><p><b>message</b> <u>{detail}</u></p>"
        f"<p><b>description</b> <u>{reason}</u></p><hr><h3>Apache Tomcat</h3></body></html>"
    )
    return Answer(status, page.encode(), "text/html;charset=utf-8", headers or {})


def reason_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
