# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords are taken out of texts and results in each form; short ones leave other words alone."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.masking import CUT, MASK, forms_of, mask, mask_all

PASSWORD = 'Kanari-3n/Vogel+"17" é&'
FORMS = {
    "itself": PASSWORD,
    "HTTP Basic": base64.b64encode(f"admin:{PASSWORD}".encode()).decode(),
    "HTTP Basic without padding": base64.b64encode(f"admin:{PASSWORD}".encode()).decode().rstrip("="),
    "Base64": base64.b64encode(PASSWORD.encode()).decode(),
    "URL-safe Base64": base64.urlsafe_b64encode(f"admin:{PASSWORD}".encode()).decode(),
    "in a URL": quote(PASSWORD, safe=""),
    "in a URL's path": quote(PASSWORD),
    "in lower-case escapes": quote(PASSWORD, safe="")
    .replace("%2F", "%2f")
    .replace("%2B", "%2b")
    .replace("%C3%A9", "%c3%a9"),
    "in a form": quote_plus(PASSWORD),
    "in JSON": json.dumps(PASSWORD)[1:-1],
    "in JSON of UTF-8": json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
    "in JSON with escaped slashes": json.dumps(PASSWORD)[1:-1].replace("/", "\\/"),
    "in HTML": html.escape(PASSWORD),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_password_is_masked_in_each_form(form: str) -> None:
    secrets = forms_of(PASSWORD, "admin")
    assert mask(f"not for <{FORMS[form]}>, again", secrets) == f"not for <{MASK}>, again"
    assert mask(FORMS[form], secrets) == MASK


def test_a_password_that_is_a_part_of_another_leaves_nothing_of_it() -> None:
    assert mask("kanarienvogel, kanari", {"kanari", "kanarienvogel"}) == f"{MASK}, {MASK}"


def test_a_password_that_was_cut_is_masked() -> None:
    secrets = forms_of("Kanarienvogel", "admin")
    packed = base64.b64encode(b"admin:Kanarienvogel").decode()
    assert (
        mask(f"EEM says: not Kanari{CUT} and {packed[:14]}{CUT}.", secrets)
        == f"EEM says: not {MASK}{CUT} and {MASK}{CUT}."
    )
    assert mask(f"a model{CUT}", secrets) == f"a model{CUT}"


@pytest.mark.parametrize("word", ["a", "1", "on", "up", "gpu"])
def test_a_short_password_is_masked_only_as_a_word_of_its_own(word: str) -> None:
    text = "Attached GPUs: 10 of 21, online, supported, gpus, a1"
    assert mask(text, forms_of(word, "admin")) == text
    assert mask(f"not for {word}.", forms_of(word, "admin")) == f"not for {MASK}."


def test_values_keep_their_shape_and_their_types() -> None:
    result = {
        "changed": True, "state": None, "true": "word true", "list": [{"text": "x true"}, ("true", 4), 12345, 1.5], "secret": 1234,
    }  # fmt: skip
    assert mask_all(result, {"true", "1234"}) == {
        "changed": True, "state": None, "true": f"word {MASK}", "list": [{"text": f"x {MASK}"}, [MASK, 4], 12345, 1.5], "secret": MASK,
    }  # fmt: skip


def test_nothing_to_mask_changes_nothing() -> None:
    assert mask("", {"word"}) == ""
    assert mask(f"text{CUT}", forms_of("")) == f"text{CUT}"
    assert mask_all({"a": "text"}, set()) == {"a": "text"}
