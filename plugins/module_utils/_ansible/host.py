# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the modules that work on the host of a node: Python's standard library, no EEM and no registry.

`context` does the same for all other modules. Private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.every_module import (
    arguments_of,
    check_texts,
    fault,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import ExpetherError, InvalidInput
from ansible_collections.nec.expether.plugins.module_utils._model.properties import refuse_number_as_pci_id

Result = dict[str, t.Any]


class _Module(AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule that keeps the parameters as the task has them."""

    params: dict[str, t.Any]
    given: dict[str, t.Any]
    is_running = False

    def _load_params(self) -> None:
        super()._load_params()
        self.given = dict(self.params)

    def fail_json(self, msg: str, **kwargs: t.Any) -> None:
        """End the module with a failure. Unless it is running, Ansible has rejected its options."""
        if not self.is_running:
            error = InvalidInput(msg if msg.endswith(".") else f"{msg}.")
            kwargs = {**kwargs, "failure": error.as_failure(), "changed": False}
            msg = error.message
        super().fail_json(msg, **kwargs)


class HostTask(t.NamedTuple):
    """A task that runs on the host of a node.

    :ivar params: the options
    :ivar check_mode: whether nothing may be changed
    :ivar warn: issues a warning
    """

    params: dict[str, t.Any]
    check_mode: bool
    warn: t.Callable[[str], None]


def run_on_host(spec: ArgSpec, run: t.Callable[[HostTask], Result]) -> None:
    """Run a module from its parameters to its result."""
    module = _Module(**arguments_of(spec))
    module.is_running = True
    result: Result = {}
    failure: Result | None = None
    try:
        _check(module.given)
        result = run(HostTask(module.params, module.check_mode, module.warn))
        if not module._diff:  # pylint: disable=protected-access
            result.pop("diff", None)
    except ExpetherError as error:
        failure = {"msg": error.message, "failure": error.as_failure(), "changed": bool(error.changed)}
        if error.changed is None:
            failure["msg"] += " Nothing was changed."
    except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
        failure = fault(error)
    if failure is not None:
        module.fail_json(**failure)
    module.exit_json(**result)


def _check(given: t.Mapping[str, t.Any]) -> None:
    """Reject values that Ansible converts to something else than was meant.

    :raises InvalidInput: a PCI id is a number, or a text cannot be a path
    """
    for name in ("vendor_id", "pci_device_id"):
        refuse_number_as_pci_id(given.get(name), name)
    check_texts(given)
