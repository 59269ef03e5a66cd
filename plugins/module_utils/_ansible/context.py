# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module: passes parameters to the library, and results and errors to Ansible. Private to the collection.

No other part of the library uses `AnsibleModule`, except the check of the Python version.
"""

from __future__ import annotations

import gc
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.nec.expether.plugins.module_utils._ansible.argspec import ArgSpec
from ansible_collections.nec.expether.plugins.module_utils._ansible.every_module import (
    arguments_of,
    check_text,
    check_texts,
    fault,
    traceback_of,
)
from ansible_collections.nec.expether.plugins.module_utils._ansible.options import (
    ConnectionOptions,
    Options,
    check_types,
    connection_options,
    in_one_form,
    prepared,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.interruption import (
    Interrupted,
    interrupted_by,
    listening,
)
from ansible_collections.nec.expether.plugins.module_utils._model.errors import (
    ExpetherError,
    InvalidInput,
    MissingLibrary,
    NotStored,
)
from ansible_collections.nec.expether.plugins.module_utils._model.libraries import how_to_install
from ansible_collections.nec.expether.plugins.module_utils._model.masking import MASK, forms_of, mask_all
from ansible_collections.nec.expether.plugins.module_utils._model.names import PCI_NAMES
from ansible_collections.nec.expether.plugins.module_utils._registry.location import (
    ENV_KEY_FILE,
    ENV_REGISTRY,
    is_shared,
    key_path,
    open_registry,
    require_lasting_default,
)
from ansible_collections.nec.expether.plugins.module_utils._registry.masked import MaskedRegistry
from ansible_collections.nec.expether.plugins.module_utils._registry.pci_records import StoredNames
from ansible_collections.nec.expether.plugins.module_utils._registry.records import PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry, RegistryError
from ansible_collections.nec.expether.plugins.module_utils._results.pci_ids import PciNames

if t.TYPE_CHECKING:
    from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets

Result = dict[str, t.Any]


class Masking:
    """Masks passwords: those of the parameters, and those that the run learns.

    :ivar params: the parameters
    """

    params: dict[str, t.Any]

    def hide(self, password: t.Any, username: str | None = None) -> None:
        """Mask a password in all later output, in every form that it takes in HTTP."""
        if password not in (None, ""):
            self._hidden().update(forms_of(str(password), username))

    def masked(self, value: t.Any) -> t.Any:
        """Return a value of any shape with all passwords known so far masked."""
        params = getattr(self, "params", None)
        if isinstance(params, t.Mapping):
            self.hide(params.get("password"), params.get("username"))
            # The part of a URL that may contain a password. Such URLs are rejected, but messages may quote them. URLs of
            # registries may contain a user alone. It is not secret, and the URL of an EEM may begin with the same text.
            for name in ("url", "registry", "copy_from"):
                before = str(params.get(name) or "").rpartition("@")[0]
                if name == "url" or ":" in (before.partition("://")[2] or before):
                    self._hidden().update(part for part in (before, before.rpartition(":")[2]) if part)
            # The text of a private key in place of the path of a file. It is rejected, too.
            for text in (params.get(name) for name in ("ca_path", "ca_cert", "client_cert", "client_key")):
                if isinstance(text, str) and "PRIVATE KEY" in text:
                    self.hide(text)
        return mask_all(value, self._hidden())

    def _hidden(self) -> set[str]:
        """The texts to mask. Created on first use, because Ansible may reject the options before our code runs."""
        return self.__dict__.setdefault("_expether_hidden", set())  # type: ignore[no-any-return]


class Caller(t.Protocol):
    """What starts a run, and shows its output: a module, or a plugin on the controller (`plugin_run`).

    :ivar params: the parameters, converted to their types
    :ivar given: the parameters before that
    """

    params: dict[str, t.Any]
    given: dict[str, t.Any]
    check_mode: bool

    def warn(self, warning: str) -> None:
        """Warn the user."""

    def hide(self, password: t.Any, username: str | None = None) -> None:
        """Mask a password in all later output, in every form that it takes in HTTP."""

    def masked(self, value: t.Any) -> t.Any:
        """Return a value of any shape with all passwords known so far masked."""


class _Module(Masking, AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule that masks passwords in all its output, including Ansible's own complaints about options.

    It does not use Ansible's masking: from 2.22 on, values registered there are sent to the controller.

    :ivar given: the parameters before Ansible converted them
    :ivar is_running: whether Ansible has accepted the options
    """

    given: dict[str, t.Any]
    is_running = False

    def _load_params(self) -> None:
        """Read the parameters, and prepare them for Ansible's checks."""
        super()._load_params()
        self.params = prepared(self.argument_spec, self.params)
        self.given = dict(self.params)

    def _refusal(self, msg: str) -> InvalidInput:
        """Return the error about invalid options: our own if it is more exact, otherwise Ansible's."""
        try:
            check_types(self.argument_spec, getattr(self, "given", {}))
        except InvalidInput as error:
            return error
        return InvalidInput(msg if msg.endswith(".") else f"{msg}.")

    def _masked_params(self) -> dict[str, t.Any]:
        """Return the options without passwords."""
        params: dict[str, t.Any] = self.masked(self.params)
        return {**params, "password": MASK} if params.get("password") is not None else params

    def _log_invocation(self) -> None:
        """Log the options, masked; not those that cannot be logged, which are rejected right afterwards."""
        try:
            check_texts(self.params)
        except InvalidInput:
            return
        params, self.params = self.params, self._masked_params()
        super()._log_invocation()
        self.params = params

    def warn(self, warning: str, **more: t.Any) -> None:
        """Warn the user."""
        super().warn(self.masked(warning), **more)

    def exit_json(self, **kwargs: t.Any) -> None:
        """End the module successfully."""
        kwargs, self.params = self.masked(kwargs), self._masked_params()
        super().exit_json(**kwargs)

    def fail_json(self, msg: str, **kwargs: t.Any) -> None:
        """End the module with a failure."""
        if not self.is_running:  # Ansible rejects the options
            kwargs["failure"] = self._refusal(msg).as_failure()
            msg = kwargs["failure"]["message"]
            kwargs.setdefault("changed", False)
        msg, kwargs, self.params = self.masked(msg), self.masked(kwargs), self._masked_params()
        super().fail_json(msg, **kwargs)


class Context:
    """What a run of a module or plugin works with.

    :ivar params: its parameters
    :ivar connection: the connection options that the task and the environment set, checked
    :ivar check_mode: whether the run must not change anything
    :ivar pci_names: names of PCI vendors and devices
    """

    def __init__(self, module: Caller) -> None:
        self._module = module
        self._registry: Registry | None = None
        self._warned: set[str] = set()
        self.pci_names = PciNames(lambda sentence: self.warn([sentence]), self._stored_names)
        self.params: dict[str, t.Any] = module.params
        self.connection = ConnectionOptions()
        self.check_mode: bool = module.check_mode

    def check_options(self, options: Options, stored: bool) -> None:
        """Check and normalise all parameters, before anything else happens.

        :param options: the module's options
        :param stored: whether the registry may provide connection options that the task leaves out
        :raises ExpetherError: an option is invalid
        """
        check_texts(self.params)
        check_types(options, self._module.given)
        self.params = in_one_form(options, self.params, self._module.given)
        self.connection = connection_options(self, stored)

    def _stored_names(self) -> StoredNames | None:
        try:
            return self.registry.get(StoredNames, PCI_NAMES)
        except RegistryError:
            return None  # whoever needs the registry will report it

    def warn(self, sentences: t.Iterable[str]) -> None:
        """Issue warnings, each only once."""
        for sentence in sentences:
            if sentence not in self._warned:
                self._warned.add(sentence)
                self._module.warn(sentence)

    def hide(self, password: str | None, username: str | None = None) -> None:
        """Mask a password in all later output, in every form that it takes in HTTP."""
        self._module.hide(password, username)

    def masked(self, value: t.Any) -> t.Any:
        """Return a value of any shape with all passwords known so far masked."""
        return self._module.masked(value)

    def option(self, name: str, variable: str) -> t.Any:
        """Return a parameter, or else the value of an environment variable.

        :raises InvalidInput: the variable is not valid text
        """
        given = self.params.get(name)
        if given is None:
            given = os.environ.get(variable) or None
            check_text(given, f"The environment variable {variable}")
        return given

    @property
    def registry(self) -> Registry:
        """The registry, opened when it is first read.

        :raises RegistryError: its URL is not that of a registry
        """
        if self._registry is None:
            self._registry = MaskedRegistry(open_registry(self.option("registry", ENV_REGISTRY)), self.masked)
        return self._registry

    @property
    def is_registry_named(self) -> bool:
        """Whether the user chose the registry, by option or environment."""
        return self.option("registry", ENV_REGISTRY) is not None

    def require_lasting_registry(self) -> None:
        """Refuse a task that stores something, or needs something that was stored, in a registry that ends with the job.

        Called before the first request to an EEM, also in check mode.

        :raises RegistryError: the registry is the default one, and this is a container that lives only for a job
        """
        if not self.is_registry_named:
            require_lasting_default()

    def warn_without_lasting_registry(self) -> None:
        """Warn that a listing of what is stored is empty, where `require_lasting_registry` refuses to store it."""
        try:
            self.require_lasting_registry()
        except RegistryError as error:
            self.warn([error.message])

    def secrets(self) -> Secrets:
        """Return the encryption of the registry's passwords."""
        # Imported here, because only passwords need cryptography.
        from ansible_collections.nec.expether.plugins.module_utils._registry.secrets import Secrets

        url, file = self.option("registry", ENV_REGISTRY), self.option("registry_key_file", ENV_KEY_FILE)
        stored = self._stored_passwords if is_shared(url) else None
        return Secrets(key_path(url, file), not self.check_mode, stored)

    def _stored_passwords(self) -> list[str]:
        """Return the encrypted passwords in the registry."""
        return [podm.password for podm in self.registry.all(PodManager) if podm.password is not None]

    def close(self) -> None:
        """Close the registry."""
        if self._registry is not None:
            self._registry.close()


def run_module(spec: ArgSpec, run: t.Callable[[Context], Result], changes: bool = True, stored: bool = False) -> None:
    """Run a module from its parameters to its result.

    :param changes: whether the module can change anything; if so, its errors state what was changed
    :param stored: whether the registry may provide connection options that the task leaves out
    """
    # A module is a short process: repeated garbage collection over thousands of records costs more than it frees.
    gc.disable()
    module = _Module(**arguments_of(spec))
    module.is_running = True
    with listening():
        _run(module, spec, run, changes, stored)


def _run(module: _Module, spec: ArgSpec, run: t.Callable[[Context], Result], changes: bool, stored: bool) -> None:
    context = Context(module)
    result: Result = {}
    failure: Result | None = None
    try:
        context.check_options(spec.options, stored)
        result = run(context)
        if not module._diff:  # pylint: disable=protected-access
            result.pop("diff", None)
    except MissingLibrary as error:
        failure = {
            "msg": missing_library(error),
            "exception": traceback_of(error.error or error),
            "failure": error.as_failure(),
        }
    except ExpetherError as error:
        failure = _failure(error, changes, module.check_mode)
    except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
        failure = fault(error)
    finally:
        context.close()
    # Not within the except clauses, because Ansible would add the traceback there, with the unmasked error.
    if failure is not None:
        module.fail_json(**failure)
    module.exit_json(**result)


def missing_library(error: MissingLibrary) -> str:
    """Return the message about a library that is missing, as Ansible words it, with what installs it."""
    if not error.error:
        return error.message
    return f"{missing_required_lib(error.library)}. {how_to_install(error.library)}"


def _failure(error: ExpetherError, changes: bool, check_mode: bool) -> Result:
    result: Result = {"msg": error.message, "failure": error.as_failure(), "changed": bool(error.changed)}
    signal = interrupted_by()
    if signal and error.kind != Interrupted.kind:  # the signal made the run stop waiting
        result["msg"] = f"Interrupted by {signal}. {error.message}"
        result["failure"] |= {"kind": Interrupted.kind, "message": result["msg"]}
    if check_mode and isinstance(error, NotStored):
        result["msg"] += " In check mode, earlier tasks of the play have not created it."
    if error.changed is None and changes:
        result["msg"] += " Nothing was changed."
    if hasattr(error, "rows"):
        result["plan"] = error.rows
    return result
