# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What errors tell machines."""

from __future__ import annotations

import pytest
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
    NotFound,
    PlanRefused,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ExpetherError, "error"), (InvalidInput, "invalid"), (NotFound, "not_found"), (PlanRefused, "refused")],
)
def test_a_failure_has_all_its_keys_and_those_that_the_error_adds(error: type[ExpetherError], kind: str) -> None:
    bare = error("It is so.")
    assert str(bare) == "It is so."
    assert bare.as_failure() == {"kind": kind, "code": None, "http_status": None, "message": "It is so.", "url": None}
    full = error("It is so.", code="40400", http_status=404, url="http://eem/eem/devices", details={"candidates": {}})
    assert full.as_failure() == {
        "kind": kind,
        "code": "40400",
        "http_status": 404,
        "message": "It is so.",
        "url": "http://eem/eem/devices",
        "candidates": {},
    }


def test_what_a_refusal_waits_for_is_its_own() -> None:
    blocked_by = {"0x0": "a run"}
    error = PlanRefused("No.", blocked_by=blocked_by)
    blocked_by.clear()
    assert error.blocked_by == {"0x0": "a run"}
    assert PlanRefused("No.").blocked_by == {}


def test_a_missing_library_is_named_with_its_cause() -> None:
    cause = ImportError("No module named 'requests'")
    error = MissingLibrary("requests", cause)
    assert (error.library, error.error) == ("requests", cause)
    assert "requests" in error.message
    assert error.as_failure()["kind"] == "missing_library"
