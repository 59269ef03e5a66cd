# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run masks in its output because of its options."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import Masking


def masked(text: str, **params: t.Any) -> t.Any:
    run = Masking()
    run.params = params
    return run.masked(text)


@pytest.mark.parametrize("name", ["registry", "copy_from"])
@pytest.mark.parametrize("url", ["postgresql://eem@h1,h2/db?sslmode=verify-full", "etcds://eem@h:2379,i:2379/eem"])
def test_the_user_in_the_url_of_a_registry_is_no_secret(name: str, url: str) -> None:
    """Also not where the URL of an EEM begins like it."""
    text = f"{url} and http://eem.example.com/eem"
    assert masked(text, **{name: url}) == text


@pytest.mark.parametrize("name", ["url", "registry", "copy_from"])
@pytest.mark.parametrize(
    "url", ["http://u:canary@h/p", "postgresql://u:can@ary@h/db", "x://u:a://canary@h", "u:canary@h", "//u:canary@h"]
)
def test_a_password_in_a_url_is_masked(name: str, url: str) -> None:
    text = masked(f"no {url}, {url.rpartition('@')[0].rpartition(':')[2]}", **{name: url})
    assert "can" not in text and "ary" not in text


def test_a_user_alone_in_the_url_of_an_eem_is_masked_because_it_may_be_a_token() -> None:
    assert masked("http://canary@h/eem", url="http://canary@h/eem") == "********@h/eem"
