# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks passwords in everything that a module returns, prints or stores. Private to the collection.

ansible-core 2.22 does not mask results inside the module any more, and the behaviour of older versions is not
documented. Therefore the collection masks them itself and depends on neither.
"""

from __future__ import annotations

import base64
import html
import json
import re
import typing as t
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

MASK = "********"
CUT = "…"  # marks where a text was cut
SHORT = 4  # a shorter secret is masked only as a whole word, because "a" would mask a letter of many words


def forms_of(password: str, username: str | None = None) -> set[str]:
    """Return the forms in which a password may appear: itself, and as encoded in HTTP, URLs, JSON and HTML.

    :param username: the user of this password, because HTTP Basic encodes both together
    """
    if not password:
        return set()
    forms = {password, html.escape(password), html.escape(password, quote=False)}
    # A password that is not valid text is refused later, and must not appear before that.
    raw, pair = (text.encode("utf-8", "surrogatepass") for text in (password, f"{username or ''}:{password}"))
    for escaped in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        forms |= {escaped, re.sub("%..", lambda match: match[0].lower(), escaped)}
    for escaped in (json.dumps(password), json.dumps(password, ensure_ascii=False)):
        forms |= {escaped[1:-1], escaped[1:-1].replace("/", "\\/")}
    for content in (raw, pair):
        for encoded in (base64.b64encode(content), base64.urlsafe_b64encode(content)):
            forms |= {encoded.decode(), encoded.decode().rstrip("=")}
    return forms


def mask(text: str, secrets: t.Collection[str]) -> str:
    """Return a text with asterisks in place of secrets, including the beginning of a secret before an ellipsis.

    :param secrets: all forms of them, see `forms_of`; those shorter than SHORT are masked only as whole words
    """
    contained = [secret for secret in secrets if secret and secret in text]
    if contained:
        # The longest first, because a shorter one may be part of it.
        patterns = [
            re.escape(secret) if len(secret) >= SHORT else rf"(?<!\w){re.escape(secret)}(?!\w)"
            for secret in sorted(contained, key=len, reverse=True)
        ]
        text = re.sub("|".join(patterns), MASK, text)
    if CUT in text:
        *parts, rest = text.split(CUT)
        text = CUT.join([*(_without_beginning(part, secrets) for part in parts), rest])
    return text


def _without_beginning(text: str, secrets: t.Collection[str]) -> str:
    """Return a text that was cut, with the beginning of a secret at its end masked."""
    longest = max(
        (length for secret in secrets for length in range(1, len(secret)) if text.endswith(secret[:length])), default=0
    )
    return text[: len(text) - longest] + MASK if longest else text


def mask_all(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Return a value with all texts in it masked, and numbers that are a secret. Keys, booleans and null stay."""
    if isinstance(value, str):
        return mask(value, secrets)
    if value is None or isinstance(value, bool):  # asked early: a large part of a listing
        return value
    if isinstance(value, (dict, Mapping)):  # the first of them is asked quickly
        return {key: mask_all(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [mask_all(item, secrets) for item in value]
    if isinstance(value, (int, float)) and len(str(value)) >= SHORT and str(value) in secrets:
        return MASK
    return value
