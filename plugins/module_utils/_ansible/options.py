# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks and normalises the options of a task before anything else happens. Private to the collection.

Ansible converts options before a module sees them: a boolean becomes the text `False`, a list becomes a text, and null
in a list becomes an empty text. Therefore the original values are checked here too.
"""

from __future__ import annotations

import math
import os
import typing as t

from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_dict,
    check_type_float,
    check_type_int,
    check_type_path,
)
from ansible_collections.nec.expether.plugins.module_utils._eem.settings import PEM_BEGIN
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, NotStored
from ansible_collections.nec.expether.plugins.module_utils._model.names import composed, unregistered_podm_uuid
from ansible_collections.nec.expether.plugins.module_utils._model.properties import (
    KIND_KEYS,
    TYPES_BY_NAME,
    refuse_number_as_pci_id,
)
from ansible_collections.nec.expether.plugins.module_utils._model.texts import printable
from ansible_collections.nec.expether.plugins.module_utils._model.urls import eem_url
from ansible_collections.nec.expether.plugins.module_utils._registry.location import ENV_REGISTRY, check_url
from ansible_collections.nec.expether.plugins.module_utils._registry.records import CONNECTION_KEYS, PodManager
from ansible_collections.nec.expether.plugins.module_utils._registry.store import Registry
from ansible_collections.nec.expether.plugins.module_utils._results.cards import DEVICE_KEYS
from ansible_collections.nec.expether.plugins.module_utils._results.documents import find_podm

ENV_URL = "EEM_URL"
ENV_USERNAME = "EEM_USERNAME"
ENV_PASSWORD = "EEM_PASSWORD"  # noqa: S105
ENV_PODM = "EEM_PODM"

Options = t.Mapping[str, t.Mapping[str, t.Any]]


class Task(t.Protocol):
    """Provides the options; see `Context`."""

    params: dict[str, t.Any]

    @property
    def registry(self) -> Registry:
        """The registry."""

    def option(self, name: str, variable: str) -> t.Any:
        """Return a parameter, or else the value of an environment variable."""


MAX_CONNECT_TIMEOUT = 600  # seconds

_FILES = ("ca_path", "client_cert", "client_key")
#: Options that belong to the host where the module runs.
_OF_HOST = (*_FILES, "validate_certs")
#: How the connection options are read from the environment, with what they must be.
_READERS: t.Mapping[str, tuple[t.Callable[[str], t.Any], str]] = {
    "validate_certs": (check_type_bool, "true or false"),
    "ca_path": (check_type_path, "a path"),
    "client_cert": (check_type_path, "a path"),
    "client_key": (check_type_path, "a path"),
    "timeout": (check_type_float, "a number"),
    "retries": (check_type_int, "a whole number"),
    "conditional_updates": (check_type_bool, "true or false"),
}
#: Options for which an empty text is valid and means "none".
_MAY_BE_EMPTY = (*_FILES, "username", "password", "description", "location")
#: Options that contain names, one or a list of them.
_NAMES = ("podm", "podms", "name", "node", "flavor", "device", "devices", "system", "node_index")
_PCI_IDS = ("vendor_id", "pci_device_id")
#: The keys of a device in results, including that of expether_device.
_DEVICE_RESULT_KEYS = {*DEVICE_KEYS, "kind", "uid_led"}


def prepared(options: Options, given: t.Mapping[str, t.Any], inside: bool = False) -> dict[str, t.Any]:
    """Return parameters for Ansible to check and convert, including those inside dictionaries.

    Optional parameters that are null are dropped, because for mutually exclusive options Ansible counts null as set.
    Device types get their usual case. A device from a module's result becomes a request for devices of its kind.

    :param inside: whether these are the keys of an option, where null always means "not set"
    """
    name_of = {key: name for name, option in options.items() for key in _names(name, option)}
    found: dict[str, t.Any] = {}
    for key, value in given.items():
        option = options.get(name_of.get(key, ""))
        if option is None:
            found[key] = value
        elif value is not None or (not inside and (option.get("required") or option.get("default") is not None)):
            found[key] = _prepared(name_of[key], option, value)
    if name_of.get("podm") in found and name_of["podm"] != "podm":
        found.pop("podm", None)  # it comes from module_defaults of the action group
    return found


def _names(name: str, option: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    return (name, *option.get("aliases", ()))


def _prepared(name: str, option: t.Mapping[str, t.Any], value: t.Any) -> t.Any:
    kind, keys = option.get("type", "str"), option.get("options")
    if keys and kind == "dict":
        return _prepared_keys(keys, value)
    if keys and isinstance(value, list):
        return [_prepared_keys(keys, item) for item in value]
    if keys:
        return value if isinstance(value, (str, dict)) else str(value)
    if name == "type" and option.get("choices"):
        if kind == "list" and isinstance(value, str):
            value = value.split(",")
        return [_usual_case(item) for item in value] if isinstance(value, list) else _usual_case(value)
    return repr(str(value)) if kind == "int" and _is_not_finite(value) else value


def _is_not_finite(value: t.Any) -> bool:
    """Whether a value is infinite or not a number. Ansible would fail with a traceback when it converts such a value."""
    try:
        return isinstance(value, (str, float)) and not math.isfinite(float(value))
    except ValueError:
        return False


def _prepared_keys(options: Options, value: t.Any) -> t.Any:
    if isinstance(value, str):
        try:
            value = check_type_dict(value)  # JSON or key=value
        except (TypeError, ValueError):
            return value
    if not isinstance(value, dict):
        return str(value)  # Ansible rejects a text, but fails with a traceback on a boolean
    if "pci_device_id" in options and value.get("uuid"):
        value = {key: item for key, item in value.items() if key in KIND_KEYS or key not in _DEVICE_RESULT_KEYS}
    return prepared(options, value, inside=True)


def _usual_case(value: t.Any) -> t.Any:
    return TYPES_BY_NAME.get(value.strip().lower(), value) if isinstance(value, str) else value


def check_types(options: Options, given: t.Mapping[str, t.Any], where: str = "") -> None:
    """Reject values that Ansible would convert to something the user cannot have meant.

    :param given: parameters as `prepared` returns them
    :param where: prefix of option names in messages
    :raises InvalidInput: a text option is a boolean, a fraction, a list, null or empty, a number is a boolean, a PCI id is
        a number, a dictionary is something else, or an option has two values
    """
    for name, option in options.items():
        keys = [key for key in _names(name, option) if given.get(key) is not None]
        if len(keys) > 1 and any(given[key] != given[keys[0]] for key in keys):
            raise InvalidInput(
                f"{' and '.join(f'`{where}{key}`' for key in keys)} are the same option: set only one of them."
            )
        for key in _names(name, option):
            if key in given and not option.get("choices"):  # Ansible itself checks choices
                _check_type(where + key, name, option, given[key])


def _check_type(where: str, name: str, option: t.Mapping[str, t.Any], value: t.Any) -> None:
    kind, keys = option.get("type", "str"), option.get("options")
    if keys and kind == "dict":
        _check_keys(where, keys, value)
        return
    if keys:
        if not isinstance(value, list):
            raise _not_a("list of dictionaries", where, value)
        for place, item in enumerate(value):
            _check_keys(f"{where}[{place}]", keys, item)
        return
    if kind in ("int", "float") and isinstance(value, bool):
        raise InvalidInput(f"`{where}` is a boolean (true or false); set a number.")
    if name in _PCI_IDS:
        refuse_number_as_pci_id(value, where)
    if kind == "list" and isinstance(value, list):
        for place, item in enumerate(value):
            _check_text(f"{where}[{place}]", item, name)
    elif kind == "list" and isinstance(value, str):
        for item in value.split(","):
            _check_text(where, item, name)
    elif kind in ("str", "path", "list") and (value is not None or option.get("required")):
        _check_text(where, value, name)


def _check_keys(where: str, options: Options, value: t.Any) -> None:
    if not isinstance(value, dict):
        raise _not_a("dictionary", where, value)
    check_types(options, value, f"{where}.")


def _not_a(structure: str, where: str, value: t.Any) -> InvalidInput:
    """Return the error about an option that is not a dictionary, or not a list of them."""
    message = f"`{where}` must be a {structure}."
    if isinstance(value, str) and "." not in where:  # as the key=value form of an ad-hoc command passes it
        message += " In an ad-hoc command, write all options as JSON: -a '{...}'."
    return InvalidInput(message)


def _check_text(where: str, value: t.Any, option: str) -> None:
    # The value is not repeated: it may be a password.
    what = "name" if option in _NAMES else "text"
    if value is None:
        raise InvalidInput(f"`{where}` is null; set a {what}.")
    if isinstance(value, bool):
        raise InvalidInput(f"`{where}` is a boolean (true or false); quote the {what} if it is meant.")
    if isinstance(value, float):
        raise InvalidInput(f"`{where}` is a number with a fraction; quote the {what} if it is meant.")
    if isinstance(value, (list, dict)):
        raise InvalidInput(f"`{where}` is a {'list' if isinstance(value, list) else 'dictionary'}; set a {what}.")
    if isinstance(value, str) and not value.strip() and option not in _MAY_BE_EMPTY:
        raise InvalidInput(f"`{where}` is empty; set a {what}, or leave it out.")


def in_one_form(options: Options, params: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return parameters without aliases, and with names in the form in which they are stored and compared.

    Those inside lists of dictionaries are included.

    :param given: the parameters before Ansible converted them
    """
    found = {name: value for name, value in params.items() if name in options}
    for name in _NAMES:
        value = found.get(name)
        if isinstance(value, str):
            found[name] = composed(value)
        elif isinstance(value, list):
            is_text = any(isinstance(given.get(key), str) for key in _names(name, options[name]))  # "rack1, rack2"
            found[name] = [composed(item.strip() if is_text else item) for item in value]
    for name, option in options.items():
        if option.get("options") and isinstance(found.get(name), list):
            found[name] = [in_one_form(option["options"], item, {}) for item in found[name]]
    return found


class ConnectionOptions(t.NamedTuple):
    """Connection options from outside the registry, checked, by `CONNECTION_KEYS`. What is not set is missing.

    :ivar task: those that the task sets; `None` for a file set to an empty text
    :ivar host: those that the environment sets and that belong to this host; they override what is registered
    :ivar rest: the others that the environment sets; what is registered overrides them
    """

    task: t.Mapping[str, t.Any] = {}
    host: t.Mapping[str, t.Any] = {}
    rest: t.Mapping[str, t.Any] = {}

    def applied(self, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the options that apply to an EEM, except for those that are set nowhere.

        :param known: those that are registered with its pod manager
        """
        if "client_cert" in self.host:  # a registered key belongs to the registered certificate
            known = {**known, "client_key": None}
        return {**self.rest, **known, **self.host, **self.task}

    def stored(self, known: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the options to store with a pod manager. Those of this host are not, because the next job has others.

        :param known: those that are registered with it
        """
        return {**self.rest, **known, **self.task}


def connection_options(task: Task, stored: bool) -> ConnectionOptions:
    """Return the connection options that the task and the environment set.

    :param stored: whether the registry may provide the other one of a pair, such as `client_cert` for `client_key`
    :raises InvalidInput: a value is invalid, or a file does not exist
    :raises RegistryError: the URL of the registry is invalid
    """
    params = task.params
    given = {key: value for key in CONNECTION_KEYS if (value := params.get(key)) is not None}
    given.update({key: None for key in _FILES if given.get(key) == ""})
    if "client_cert" in given and given["client_cert"] is None:
        given.setdefault("client_key", None)  # without a certificate, no key is any use
    given = _checked(given, _option)
    environment = _checked(_environment(task, given), _variable)
    host = {key: value for key, value in environment.items() if key in _OF_HOST}
    rest = {key: value for key, value in environment.items() if key not in _OF_HOST}
    if given.get("client_key") and not given.get("client_cert", host.get("client_cert")) and not stored:
        check_key(given)
    if params["url"] is not None:
        eem_url(params["url"])
        if not stored:
            credentials(task)
    registry = task.option("registry", ENV_REGISTRY)
    if registry is not None:
        check_url(registry)
    return ConnectionOptions(given, host, rest)


def _option(key: str) -> str:
    return f"`{key}`"


def _variable(key: str) -> str:
    return f"The environment variable EEM_{key.upper()}"


def _environment(task: Task, given: t.Collection[str]) -> dict[str, t.Any]:
    """Return the connection options that the environment sets and the task does not.

    :param given: the keys of those that the task sets. With a certificate of the task, the key of another one is no use.
    :raises InvalidInput: a value is not what it must be
    """
    found: dict[str, t.Any] = {}
    for key, (read, kind) in _READERS.items():
        text = None if key in given else task.option(key, f"EEM_{key.upper()}")
        if text is None or (key == "client_key" and "client_cert" in given):
            continue
        try:
            found[key] = read(text)
        except (TypeError, ValueError, ArithmeticError):  # the last one for an infinite number
            raise InvalidInput(f"{_variable(key)} must be {kind}, not {printable(text, 60)!r}.") from None
    return found


def _checked(how: dict[str, t.Any], named: t.Callable[[str], str]) -> dict[str, t.Any]:
    """Return connection options, all or some of them, with the text of certificates in one form.

    :param named: returns how a message names an option
    :raises InvalidInput: a value is invalid, or a file does not exist
    """
    for key in _FILES:
        text = how.get(key)
        if text and PEM_BEGIN in text:  # a message must not repeat it: it may be a private key
            if key != "ca_path":
                raise InvalidInput(f"{named(key)} is the text of a certificate or a key. Set it to the path of a file.")
            # Imported here, because most tasks set a path.
            from ansible_collections.nec.expether.plugins.module_utils._eem.certificates import certificates_of

            how = {**how, key: certificates_of(text, named(key))}
    check_connection(how, named)
    return how


def check_connection(how: t.Mapping[str, t.Any], named: t.Callable[[str], str] = _option) -> None:
    """Check connection options, all or some of them.

    :param named: returns how a message names an option
    :raises InvalidInput: a value is invalid, or a file does not exist
    """
    timeout, retries = how.get("timeout", 1), how.get("retries", 0)
    if not 0 < timeout <= 3600:
        raise InvalidInput(f"{named('timeout')} must be more than 0 and at most 3600 seconds, not {timeout:g}.")
    if not 0 <= retries <= 100:
        raise InvalidInput(f"{named('retries')} must be from 0 to 100, not {retries}.")
    for key in _FILES:
        path = how.get(key)
        if not path or PEM_BEGIN in path:
            continue
        if not (os.access(path, os.R_OK) and (os.path.isfile(path) or (key == "ca_path" and os.path.isdir(path)))):
            raise InvalidInput(
                f"{named(key)}: {printable(path)} does not exist, is not a file, or cannot be read on the host where the"
                " module runs."
            )


def connect_timeout(params: t.Mapping[str, t.Any]) -> float:
    """Return how many seconds a task waits for the links of the devices that it attaches.

    :raises InvalidInput: it is too short or too long
    """
    seconds: float = params["connect_timeout"]
    if not 0 <= seconds <= MAX_CONNECT_TIMEOUT:
        raise InvalidInput(f"`connect_timeout` must be from 0 to {MAX_CONNECT_TIMEOUT} seconds, not {seconds:g}.")
    return seconds


def credentials(task: Task) -> tuple[str | None, str | None]:
    """Return the user name and password of the task, or else of the environment, both or neither.

    :raises InvalidInput: only one of them is set
    """
    username = task.option("username", ENV_USERNAME) or None
    # Without a user in the task, the environment's password is no use.
    password = (
        task.params.get("password") if task.params.get("username") == "" else task.option("password", ENV_PASSWORD)
    )
    if username is None:
        password = password or None
    check_pair(username, password, [key for key in ("username", "password") if task.params.get(key) is None])
    return username, password


def check_pair(username: str | None, password: str | None, of_environment: t.Collection[str] = ()) -> None:
    """Reject a user name without a password, and the reverse.

    :param of_environment: the options that the task does not set, so that only the environment can have set them
    :raises InvalidInput: only one of them is set
    """
    if (username is None) != (password is None):
        alone, missing = ("username", "password") if password is None else ("password", "username")
        named = _variable if alone in of_environment else _option
        raise InvalidInput(f"{named(alone)} is set without `{missing}`.")


def check_key(how: t.Mapping[str, t.Any], of_host: t.Collection[str] = ()) -> None:
    """Reject connection options with the key of a client certificate, but without the certificate.

    :param of_host: the options that the environment sets
    :raises InvalidInput: only the key is set
    """
    if how["client_key"] and not how.get("client_cert"):
        named = _variable if "client_key" in of_host else _option
        raise InvalidInput(f"{named('client_key')} is set without `client_cert`.")


def podm_name(task: Task) -> str | None:
    """Return the name of the pod manager that the task sets, or else the environment if the task does not set `url`."""
    if task.params.get("podm") is None and task.params.get("url") is not None:
        return None
    name = task.option("podm", ENV_PODM)
    return None if name is None else composed(name)


def url_option(task: Task) -> str | None:
    """Return the URL that the task sets, or else the environment, unless a pod manager is named.

    :raises InvalidInput: it is not a valid URL
    """
    if podm_name(task) is not None:
        return None
    url = task.option("url", ENV_URL)
    return None if url is None else eem_url(url)


def selected_podm(task: Task) -> PodManager | None:
    """Return the registered pod manager that is named, see `podm_name`; `None` if none is.

    :raises NotStored: it is not registered
    """
    name = podm_name(task)
    if name is None:
        return None
    try:
        return find_podm(task.registry, name)
    except NotStored as error:
        if task.params.get("podm") is None:
            raise NotStored(f"{error.message} The environment variable {ENV_PODM} names it.") from None
        raise


def podm_option(task: Task) -> str | None:
    """Return the UUID of the pod manager that is selected by `podm` or URL; `None` if none is.

    :raises ExpetherError: the pod manager is not registered, or the URL is invalid
    """
    url = url_option(task)
    if url is not None:
        with_this_url = (podm.uuid for podm in task.registry.all(PodManager) if podm.url == url)
        return next(with_this_url, unregistered_podm_uuid(url))
    podm = selected_podm(task)
    return None if podm is None else podm.uuid
