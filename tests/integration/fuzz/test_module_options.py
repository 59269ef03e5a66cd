# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With any options, a module returns a result or fails with a readable message: no traceback, no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_registry import Known
from module_fuzz import MODULES, check, fuzzed, options_of, spec_of


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.timeout(3600)
def test_any_options_give_a_result_or_a_sentence(known: Known, module: str) -> None:
    urls = [known.eem.url, known.eem.url.upper(), known.eem.url + "///", known.eem.url + "/../x"]

    spec = spec_of(module)

    @fuzzed(examples=40)
    @given(options_of(module, known.names, urls), st.booleans(), st.booleans())
    def tried(options: dict[str, object], check_mode: bool, named: bool) -> None:
        # Half of the runs are given a way to an EEM that answers, lest most end before they ask any.
        way = {"timeout": 5, "retries": 1, **({"podm": "rack1"} if named and "url" not in options else {})}
        more = {name: value for name, value in way.items() if name in spec and name not in options}
        with known.copy() as folder:
            report = known.run(
                module, {**more, **options, "_ansible_check_mode": check_mode, "_ansible_diff": True}, folder
            )
        check(report)

    tried()
