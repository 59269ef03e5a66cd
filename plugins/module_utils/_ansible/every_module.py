# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `context` and `host` have in common: how a module is declared, texts that it rejects, and unexpected errors.

Private to the collection. Modules on the host of a node import this, so it needs Python's standard library only.
"""

from __future__ import annotations

import traceback
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.names import has_half_characters

FAULT = (
    "The module failed with an unexpected error ({error}). It is unknown what was changed before it. Please report it with"
    " the output of -vvv."
)


def arguments_of(spec: ArgSpec) -> dict[str, t.Any]:
    """Return the arguments with which Ansible makes a module of these options."""
    return {
        "argument_spec": spec.options,
        "mutually_exclusive": spec.mutually_exclusive,
        "required_if": spec.required_if,
        "required_one_of": spec.required_one_of,
        "supports_check_mode": True,
    }


def fault(error: BaseException) -> dict[str, t.Any]:
    """Return the failure of a module that ended in an unexpected error."""
    return {"msg": FAULT.format(error=f"{type(error).__name__}: {error}"), "exception": traceback_of(error)}


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error as text."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def check_texts(params: t.Mapping[str, t.Any]) -> None:
    """Reject parameters with text that neither files nor HTTP can hold.

    :raises InvalidInput: as `check_text`
    """
    for name, value in params.items():
        check_text(value, f"Option {name}")


def check_text(value: t.Any, what: str) -> None:
    """Reject a value that contains text which neither files nor HTTP can hold, at any depth.

    :param what: names the value in the message
    :raises InvalidInput: a text contains a NUL or half of a surrogate pair
    """
    if isinstance(value, str):
        if "\0" in value or has_half_characters(value):
            raise InvalidInput(f"{what} contains an invalid character (NUL or invalid UTF-8).")
    elif isinstance(value, t.Mapping):
        for key, item in value.items():
            check_text(key, what)
            check_text(item, what)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_text(item, what)
