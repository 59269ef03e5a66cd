# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503
"""What is left of a run that failed, for its message and for `changed`. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._execution.steps import StepRun
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._planning.plan import (
    CardRequest,
    GroupChange,
    RegistryChange,
)


class ExecutionFailed(ExpetherError):
    """A change failed after it had begun.

    :ivar rows: the steps with what was done, undone and failed
    """

    def __init__(self, cause: ExpetherError, message: str, rows: list[dict[str, t.Any]], changed: bool) -> None:
        super().__init__(message, code=cause.code, http_status=cause.http_status, url=cause.url, details=cause.details)
        self.kind = cause.kind
        self.rows = rows
        self.changed = changed


class ClaimsLost(ExpetherError):
    """Another run goes on with what this one had claimed."""

    kind = "claims_lost"


def is_begun(runs: t.Iterable[StepRun]) -> bool:
    """Whether EEM was asked for a change."""
    return any(run.status != "planned" for run in runs if not isinstance(run.step, RegistryChange))


def _requests_done(runs: t.Iterable[StepRun]) -> list[str]:
    return [
        f"{run.step.action} of {run.step.card}"
        for run in runs
        if run.status == "done" and isinstance(run.step, CardRequest)
    ]


def is_changed(runs: t.Sequence[StepRun], claims_lost: bool) -> bool:
    """Whether something is different now from before the run, or may be.

    :param claims_lost: another run has taken over, so that nothing was undone
    """
    return (
        any(run.not_undone or run.unknown or run.timed_out for run in runs)
        or bool(_requests_done(runs))
        or (claims_lost and is_begun(runs))
    )


def describe_failure(cause: str, runs: t.Sequence[StepRun], changed: bool, registry_problem: str | None) -> str:
    """Return the message about a failed run: the cause, then what was kept, undone, or could not be undone.

    :param runs: all steps, after the rollback
    :param registry_problem: what stays unfinished in the registry, as a sentence
    """
    changes = [(run, run.step) for run in runs if isinstance(run.step, GroupChange)]
    back = {id(run): f"{step.card} back to group {step.old}" for run, step in changes}
    late = [run.step.card for run in reversed(runs) if run.timed_out and not isinstance(run.step, RegistryChange)]
    undone = [back[id(run)] for run, _step in reversed(changes) if run.rolled_back]
    kept = [f"{back[id(run)]} ({run.not_undone})" for run, _step in reversed(changes) if run.not_undone]
    sentences = [cause]
    if late:
        sentences.append(
            f"EEM may still carry out what it did not respond to in time: read {comma_list(dict.fromkeys(late))} again later."
        )
    if _requests_done(runs):
        sentences.append(f"Done anyway: {comma_list(_requests_done(runs))}.")
    if undone:
        sentences.append(f"Undone: {comma_list(undone)}.")
    if kept:
        sentences.append(
            f"Could not be undone: {comma_list(kept)}. Run the same task again when EEM responds, or correct these cards"
            " with expether_device_attach."
        )
    if registry_problem:
        sentences.append(registry_problem)
    if not changed:
        sentences.append("Nothing was changed.")
    return " ".join(sentences)
