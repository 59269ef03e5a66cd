# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With any records from EEM, a module returns a result or fails with a readable message."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_registry import Known
from module_fuzz import MODULES, anything, check, fuzzed, spec_of, value_of
from raw_server import RawServer, http


@pytest.mark.parametrize("module", [module for module in MODULES if "url" in spec_of(module)])
@pytest.mark.timeout(3600)
def test_any_records_give_a_result_or_a_sentence(known: Known, server: RawServer, module: str) -> None:
    cards = [known.cards[card] for card in sorted(known.cards)]
    changed = st.builds(
        lambda card, key, value: {**card, key: value},
        st.sampled_from(cards),
        st.sampled_from(sorted(cards[0])),
        anything,
    )
    records = st.lists(st.sampled_from(cards) | changed | changed | anything, max_size=4)
    spec = spec_of(module)
    meant = {
        name: value_of(name, spec[name], known.names, [])
        for name in spec
        if name in ("name", "node", "devices", "device", "flavor")
    }

    @fuzzed(examples=15)
    @given(records, st.fixed_dictionaries(meant))
    def tried(found: list[t.Any], options: dict[str, t.Any]) -> None:
        # What is asked for one card gets the first.
        answer = {"devices": found, "version_number": "v1.0.8", **({"device": found[0]} if found else {})}
        server.answer = [http(json.dumps(answer).encode())]
        with known.copy() as folder:
            report = known.run(
                module, {**options, "url": server.url, "timeout": 2, "retries": 1, "_ansible_diff": True}, folder
            )
        check(report)

    tried()
