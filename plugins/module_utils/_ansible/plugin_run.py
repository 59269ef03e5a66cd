# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the library for a plugin on the controller: options, warnings and errors as in a module. Private to the collection.

What only the controller has, such as templates and Ansible's own errors, stays in the plugin.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.context import (
    Context,
    Masking,
    missing_library,
)
from ansible_collections.nec.expether.plugins.module_utils._ansible.every_module import traceback_of
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import check_types, prepared
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import interrupted_by, listening
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
)

Out = t.TypeVar("Out")

FAULT = "The plugin failed with an unexpected error ({error}). Please report it with the output of -vvv."


class PluginFailed(Exception):
    """A plugin cannot do its work. Its text is a sentence without passwords.

    :ivar details: the traceback of an unexpected error, without passwords; empty for any other error
    :ivar kind: the sort of failure, as in results of modules; empty for an unexpected error
    """

    def __init__(self, message: str, details: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.details = details
        self.kind = kind


class _PluginRun(Masking):
    """One run of a plugin: see `Caller`."""

    check_mode = True  # a plugin only reads: a missing key file is an error

    def __init__(self, given: dict[str, t.Any], warn: t.Callable[[str], None]) -> None:
        self.given = given
        self.params = given
        self._warn = warn

    def warn(self, warning: str) -> None:
        """Warn the user."""
        self._warn(self.masked(warning))


def run_plugin(
    spec: ArgSpec, given: t.Mapping[str, t.Any], warn: t.Callable[[str], None], run: t.Callable[[Context], Out]
) -> Out:
    """Check the options of a plugin as a module checks them, and return what it does with them.

    :param given: the options that are set, templated and decrypted
    :param warn: shows a warning
    :raises PluginFailed: an option is invalid, or the plugin cannot do its work
    """
    caller = _PluginRun(prepared(spec.options, given), warn)
    # Only the main thread may handle signals.
    is_main = threading.current_thread() is threading.main_thread()
    context = Context(caller)
    with listening() if is_main else contextlib.nullcontext():
        try:
            check_types(spec.options, given)  # before one of two names of an option is dropped
            context.params = caller.params = _validated(spec, caller.given)
            context.check_options(spec.options, stored=False)
            return run(context)
        except MissingLibrary as error:
            failed = PluginFailed(caller.masked(missing_library(error)), kind=error.kind)
        except ExpetherError as error:
            failed = PluginFailed(caller.masked(error.message), kind=error.kind)
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            message = FAULT.format(error=f"{type(error).__name__}: {error}")
            failed = PluginFailed(caller.masked(message), caller.masked(traceback_of(error)))
        finally:
            context.close()
            received = interrupted_by() if is_main else None
    if received:  # the signal stopped the requests; now let it stop Ansible as usual
        signal.raise_signal(signal.Signals[received])
    raise failed


def _validated(spec: ArgSpec, given: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return options converted to their types, with defaults.

    :raises InvalidInput: one of them is invalid
    """
    check_types(spec.options, given)  # Ansible's messages may repeat a password
    result = ArgumentSpecValidator(spec.options, mutually_exclusive=spec.mutually_exclusive).validate(given)
    if result.unsupported_parameters:
        unknown = ", ".join(f"`{name}`" for name in sorted(map(str, result.unsupported_parameters)))
        raise InvalidInput(
            f"{unknown}: the plugin has no such option. Its options are {', '.join(sorted(spec.options))}."
        )
    for message in result.error_messages:
        raise InvalidInput(message if message.endswith(".") else f"{message}.")
    params: dict[str, t.Any] = result.validated_parameters
    return params
