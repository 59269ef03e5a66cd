# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refused change is sent once, in whatever form EEM refuses it, and is reported as refused."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.nec.expether.plugins.module_utils._execution.report import ExecutionFailed
from ansible_collections.nec.expether.plugins.module_utils._planning.card_requests import plan_action
from ansible_collections.nec.expether.plugins.module_utils._planning.lookup import find_card
from eemsim.client import Simulator
from executor_runs import Decide, MakeClient, attach, detach, run
from test_executor_card import ask, forget, led

FORMS: dict[str, dict[str, t.Any]] = {
    "neither a body nor a length": {"no_body": True, "no_length": True},
    "a length of 0": {"no_body": True},
    "HTML": {"html": True},
    "JSON": {"code": "99999"},
}
#: Each change, and the method that it is sent with.
CHANGES: dict[str, tuple[str, Callable[[str, str, str], Decide]]] = {
    "attach": ("PUT", lambda system, free, taken: attach(system, free)),
    "detach": ("DELETE", lambda system, free, taken: detach(taken)),
    "uid_led": ("PUT", lambda system, free, taken: led(free)),
    "audit": ("PUT", lambda system, free, taken: ask("audit", free)),
    "reset": ("PUT", lambda system, free, taken: ask("reset", free)),
    "reset_frame": ("PUT", lambda system, free, taken: ask("reset_frame", free)),
    "forget": ("DELETE", lambda system, free, taken: forget(free, force=True)),
    "forget_port": (
        "DELETE",
        lambda system, free, taken: (
            lambda observed: plan_action(observed, find_card(observed, system), "forget_port", "0")
        ),
    ),
}


def _try(
    eem: Simulator, make_client: MakeClient, change: str, status: int, form: str
) -> tuple[ExecutionFailed, list[dict[str, t.Any]]]:
    """Have a change refused as often as it is sent; return what came of it, and what was sent."""
    eem.clear_faults()
    eem.reset()
    system, (free, taken) = str(eem.eesvs()[0]["id"]), [str(card["id"]) for card in eem.eeios()][:2]
    eem.patch(taken, group_id=str(eem.eesvs()[1]["group_id"]))
    memory = {"downstream_port_id": "0", "eeio_connection_status": "down", "eeio_mac_address": "8c:df:9d:81:00:09"}
    eem.patch(system, downstream_ports=[memory])
    before = eem.cards()
    method, draft = CHANGES[change]
    eem.fault("fail", status=status, method=method, times=-1, **FORMS[form])
    eem.reset_log()
    with pytest.raises(ExecutionFailed) as caught:
        run(make_client(retries=3), None, draft(system, free, taken))
    assert eem.cards() == before
    return caught.value, [entry for entry in eem.log() if entry["method"] == method]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_refused_change_is_sent_once_and_told_as_refused(
    eem: Simulator, make_client: MakeClient, change: str, form: str
) -> None:
    for status in (301, 304, 307, 400, 401, 403, 409, 418):
        error, sent = _try(eem, make_client, change, status, form)
        case = (status, error.kind, error.message)
        refused = "eem_refused" if form == "JSON" and status >= 400 else "not_eem"
        assert error.kind == ("unauthorized" if status in (401, 403) else refused), case
        assert (error.http_status, error.changed) == (status, False), case
        assert [row["status"] for row in error.rows] == ["failed"], case
        if change in ("attach", "detach") and status in (400, 418):
            # Perhaps EEM does not take the condition: the change is sent without it.
            assert ["update_time" in str(entry) for entry in _parameters(sent)] == [True, False], case
        else:
            assert len(sent) == 1, case


def _parameters(sent: list[dict[str, t.Any]]) -> list[t.Any]:
    return [(entry["query"], entry["body"]) for entry in sent]


@pytest.mark.parametrize("form", ["neither a body nor a length", "a length of 0", "HTML"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_no_context_takes_yet_is_sent_again(
    eem: Simulator, make_client: MakeClient, change: str, form: str
) -> None:
    error, sent = _try(eem, make_client, change, 404, form)
    assert (error.kind, error.http_status, error.changed) == ("not_eem", 404, False)
    assert len(sent) == 4


@pytest.mark.parametrize("form", ["neither a body nor a length", "a length of 0", "HTML"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_eem_failed_at_is_told_as_that(
    eem: Simulator, make_client: MakeClient, change: str, form: str
) -> None:
    error, sent = _try(eem, make_client, change, 500, form)
    no_trace = change in ("audit", "reset", "reset_frame")
    assert (error.kind, error.http_status) == ("outcome_unknown" if no_trace else "server_error", 500)
    assert len(sent) == (1 if no_trace else 4)
