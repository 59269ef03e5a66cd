# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords taken out of what leaves a module. Private to the collection.

ansible-core 2.22 masks no result inside of the module any more, and what older ones do is not documented. Therefore
the collection masks by itself and depends on neither.
"""

from __future__ import annotations

import base64
import html
import json
import re
import typing as t
from urllib.parse import quote, quote_plus

MASK = "********"
CUT = "…"  # where a text that is too long ends
SHORT = 4  # a shorter secret is masked only where it is a word of its own: "a" would take the letters out of all words


def forms_of(password: str, username: str | None = None) -> set[str]:
    """Return a password as it may turn up: itself, and what HTTP, URLs, JSON and HTML make of it.

    :param username: whose password it is: HTTP Basic sends both together
    """
    if not password:
        return set()
    forms = {password, html.escape(password), html.escape(password, quote=False)}
    # One that is not text is refused, and must not show on the way there.
    raw, pair = (text.encode("utf-8", "surrogatepass") for text in (password, f"{username or ''}:{password}"))
    for escaped in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        forms |= {escaped, re.sub("%..", lambda found: found[0].lower(), escaped)}
    for escaped in (json.dumps(password), json.dumps(password, ensure_ascii=False)):
        forms |= {escaped[1:-1], escaped[1:-1].replace("/", "\\/")}
    for words in (raw, pair):
        for packed in (base64.b64encode(words), base64.urlsafe_b64encode(words)):
            forms |= {packed.decode(), packed.decode().rstrip("=")}
    return forms


def mask(text: str, secrets: t.Collection[str]) -> str:
    """Return a text with asterisks in place of secrets, also of one that an ellipsis has cut.

    :param secrets: each as it may turn up, see `forms_of`; one of fewer than SHORT characters is masked only as a word
    """
    found = [secret for secret in secrets if secret and secret in text]
    if found:
        # The longest first: a shorter one may be a part of it.
        patterns = [
            re.escape(secret) if len(secret) >= SHORT else rf"(?<!\w){re.escape(secret)}(?!\w)"
            for secret in sorted(found, key=len, reverse=True)
        ]
        text = re.sub("|".join(patterns), MASK, text)
    if CUT in text:
        *parts, rest = text.split(CUT)
        text = CUT.join([*(_without_beginning(part, secrets) for part in parts), rest])
    return text


def _without_beginning(text: str, secrets: t.Collection[str]) -> str:
    """Return a text that was cut, without the beginning of a secret at its end."""
    longest = max(
        (length for secret in secrets for length in range(1, len(secret)) if text.endswith(secret[:length])), default=0
    )
    return text[: len(text) - longest] + MASK if longest else text


def mask_all(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Return a value with each text in it masked, and each number that is a secret. Keys, truth values and null stay."""
    if isinstance(value, str):
        return mask(value, secrets)
    if isinstance(value, t.Mapping):
        return {key: mask_all(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [mask_all(item, secrets) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and len(str(value)) >= SHORT and str(value) in secrets:
        return MASK
    return value
