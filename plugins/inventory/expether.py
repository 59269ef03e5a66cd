# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes as hosts. The library finds them; this file contains what needs Ansible's controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: expether
short_description: Nodes as inventory hosts
version_added: 1.0.0
author:
  - nec.expether contributors (@nec-expether)
description:
  - Each node that M(nec.expether.expether_node) has composed or adopted is a host. Its variables are the keys that
    M(nec.expether.expether_node_info) returns for the node, with the prefix C(expether_), such as C(expether_name) and
    C(expether_devices). A value that EEM does not report is null; no variable is ever missing.
  - The configuration file must end in C(expether.yml) or C(expether.yaml).
  - The variables do not say how to connect to a host. Without C(ansible_host), Ansible uses the name of the host. Set
    C(ansible_host) with O(compose) if that is not the name or address of the server.
  - Each EEM is asked once, and several EEMs in parallel. With O(cache), EEMs are not asked again before O(cache_timeout)
    is over, except by C(meta=refresh_inventory) and C(--flush-cache).
  - If one of several EEMs cannot be asked, the hosts of the others are listed, with a warning. With O(cache), the hosts of
    that EEM are those of its last complete answer, however old that is. An answer that failed or was incomplete is never
    cached.
notes:
  - A host has the name of its node. Characters other than letters, digits, C(_), C(-) and C(.) become C(_), and so do
    C(-) and C(.) at the beginning. C(expether_name) has the name itself.
  - If several nodes then have one name, or a name is that of an existing group or means the controller (C(localhost),
    C(127.0.0.1)), each of these hosts has the name C(PODM-NODE), or the EEM id of its system if that is not unique either.
    A warning names it. A group that O(groups) or O(keyed_groups) would give the name of a host gets the suffix C(_group).
  - Text that a card reports, and the names of nodes, are never evaluated as templates. A text that contains a brace, or that
    calls a lookup, is an unsafe value, which C(ansible-inventory --list) shows as C(__ansible_unsafe), and so is such a
    result of O(compose).
  - All connection options may contain templates, in which extra variables and lookups can be used, and may be encrypted
    with Ansible Vault.
  - If a source fails, Ansible tries to read its file with other plugins, whose messages may quote its first line. Therefore
    begin the file with O(plugin).
requirements:
  - python >= 3.9 on the controller
  - requests
  - cryptography, if a password is stored in the registry
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [nec.expether.expether]
  podms:
    description:
      - The names or UUIDs of registered pod managers, see M(nec.expether.expether_podm). An empty list selects none.
      - Set either this or O(url). Without both, the environment variable E(EEM_PODM) applies, which has one name; without
        that, E(EEM_URL). Otherwise all registered pod managers are used.
    type: list
    elements: str
    aliases: [podm]
    env:
      - name: EEM_PODM
  source:
    description:
      - V(live) asks the EEMs.
      - V(registry) lists what the registry stores, without asking an EEM. A host then has its name, its system's id and
        its devices. Variables that only an EEM reports are null.
    type: str
    choices: [live, registry]
    default: live
  include_systems:
    description:
      - Whether systems that are not nodes are hosts, too. Such a host has the EEM id of its system as its name, and
        C(expether_name), C(expether_uuid) and C(expether_state) are null. Requires O(source=live).
    type: bool
    default: false
  require_all:
    description:
      - Whether it is an error that a pod manager could not be asked if the cache does not have its hosts, or that no pod
        manager is registered. Set it if hosts that are missing would be removed somewhere, as by an AWX inventory source
        that overwrites.
      - It is then also an error if no registry is set in a container that lives only for a job, unless O(include_systems)
        is set, because the nodes are not known there. Otherwise this is a warning.
    type: bool
    default: false
  url:
    description:
      - The base URL of an EEM, such as V(http://eem.example.com:30500/eem), instead of registered pod managers. Its nodes
        are those that the registry knows.
    type: str
    env:
      - name: EEM_URL
  username:
    description: The user name for HTTP Basic authentication. The environment applies only if a URL is used.
    type: str
    env:
      - name: EEM_USERNAME
  password:
    description: The password for HTTP Basic authentication. The environment applies only if a URL is used.
    type: str
    env:
      - name: EEM_PASSWORD
  validate_certs:
    description:
      - Whether the EEM's TLS certificate must be valid.
      - The value in the file takes precedence over the environment, which takes precedence over the value registered with
        the pod manager. Without them, it is V(true).
    type: bool
    env:
      - name: EEM_VALIDATE_CERTS
  ca_path:
    description:
      - A file or directory with trusted certificate authorities on the controller, or the PEM text of their certificates.
        V("") means those of certifi. The precedence is that of O(validate_certs).
    type: str
    aliases: [ca_cert]
    env:
      - name: EEM_CA_PATH
  client_cert:
    description:
      - A PEM file with the client certificate and its chain on the controller. V("") means none. The precedence is that of
        O(validate_certs).
    type: str
    env:
      - name: EEM_CLIENT_CERT
  client_key:
    description:
      - A PEM file with the private key of O(client_cert) on the controller. V("") means none. The precedence is that of
        O(validate_certs).
    type: str
    env:
      - name: EEM_CLIENT_KEY
  timeout:
    description:
      - The time limit in seconds for a connection, and for a complete response. More than 0 and at most 3600.
      - An EEM that does not respond is waited for at most O(timeout) * (O(retries) + 1) seconds.
      - The value in the file takes precedence over the one registered with the pod manager, which takes precedence over
        the environment. Without them, it is 30.
    type: float
    env:
      - name: EEM_TIMEOUT
  retries:
    description:
      - How often a read is repeated if EEM does not respond, from 0 to 100. The precedence is that of O(timeout). Without
        a value, it is 3.
    type: int
    env:
      - name: EEM_RETRIES
  registry:
    description:
      - Where pod managers and nodes are stored, as in M(nec.expether.expether_node_info).
    type: str
    env:
      - name: EXPETHER_REGISTRY
  registry_key_file:
    description: The file with the key that encrypts the passwords in the registry.
    type: str
    env:
      - name: EXPETHER_REGISTRY_KEY_FILE
seealso:
  - module: nec.expether.expether_node_info
  - module: nec.expether.expether_node
"""

EXAMPLES = r"""
---
# The file rack.expether.yml. Only the first line is required: the hosts are then all nodes of all registered pod managers.
plugin: nec.expether.expether
podms: [rack1]

# The server of a node has the name of the node in this domain.
compose:
  ansible_host: expether_name ~ '.example.com'

# Groups: nodes with a GPU, nodes that do not respond, and one group for each pod manager.
groups:
  gpu: expether_devices | selectattr('type', 'equalto', 'GPU') | length > 0
  silent: not expether_reachable
keyed_groups:
  - key: expether_podm
    prefix: podm

# Cached for ten minutes. The hosts of an EEM that is away stay, as long as the cache has them.
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/expether
cache_timeout: 600
timeout: 5
retries: 1

# Instead of podms, an EEM that need not be registered, with all its systems:
#
# url: http://eem.example.com:30500/eem
# username: admin
# password: "{{ lookup('ansible.builtin.env', 'EEM_PASSWORD') }}"
# include_systems: true
"""

import re
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable, to_safe_group_name
from ansible_collections.nec.expether.plugins.module_utils._ansible.plugin_run import PluginFailed, run_plugin
from ansible_collections.nec.expether.plugins.module_utils._modules.inventory import SPEC, HostCache, find_hosts

try:  # since ansible-core 2.19 a text is a template only if it is tagged
    from ansible.template import trust_as_template

    wrap_var = None
except ImportError:  # before that, each text is a template unless it is wrapped
    trust_as_template = None
    from ansible.utils.unsafe_proxy import wrap_var

_LOOKUP = r"\b(?:lookup|query|q)\b"
#: What a template needs, its header, or an expression that runs something. Ansible evaluates the text of a condition such as
#: `when: "{{ expether_model }}"` once more, as an expression without braces.
_MAY_BE_TEMPLATE = re.compile(rf"[{{}}]|#jinja2:|{_LOOKUP}.*\(|\(.*{_LOOKUP}", re.DOTALL)


def as_text(value: t.Any) -> t.Any:
    """Return a value in which no text is ever evaluated, and every text that cannot be a template is a plain one.

    Plain texts are what `ansible-inventory --list` prints as texts, with every ansible-core.
    """
    if isinstance(value, Mapping):
        return {str.__str__(str(key)): as_text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_text(item) for item in value]
    if not isinstance(value, str):
        return value
    text = str.__str__(value)  # without tags and wrappers
    if trust_as_template is None:
        return wrap_var(text) if _MAY_BE_TEMPLATE.search(text) else text
    return text if _MAY_BE_TEMPLATE.search(text) else trust_as_template(text)


class _Entries:
    """A cache whose entry counts as missing if it cannot be read."""

    def __init__(self, cache: t.Any, warn: t.Callable[[str], None]) -> None:
        self._cache, self._warn = cache, warn

    def get(self, key: str) -> t.Any:
        """Return the value of a key; `None` if there is none that can be read."""
        try:
            return self._cache.get(key)
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            # Each cache plugin has errors of its own, and they fail in other ways if an entry is damaged.
            self._warn(f"The cache of the inventory cannot be read ({type(error).__name__}: {error}).")
            return None

    def __setitem__(self, key: str, value: t.Any) -> None:
        """Keep a value."""
        self._cache[key] = value


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The inventory plugin."""

    NAME = "nec.expether.expether"

    def __init__(self) -> None:
        super().__init__()
        self._given: dict[str, t.Any] = {}

    def verify_file(self, path: str) -> bool:
        """Return whether a path may be a configuration file of this plugin."""
        return path.endswith(("expether.yml", "expether.yaml")) and super().verify_file(path)

    def set_options(self, task_keys: t.Any = None, var_options: t.Any = None, direct: t.Any = None) -> None:
        """Take the content of the configuration file: the library checks its own options, and Ansible the others."""
        direct = dict(direct or {})
        ours = {key for name, option in SPEC.options.items() for key in (name, *option.get("aliases", ()))}
        others = {key for name, option in self.option_definitions.items() for key in (name, *option.get("aliases", ()))}
        unknown = [str(key) for key in direct if key not in ours | others]
        if unknown:
            raise AnsibleParserError(
                f"{', '.join(f'`{key}`' for key in unknown)}: the inventory plugin {self.NAME} has no such option. Its"
                f" options are {', '.join(sorted(self.option_definitions))}."
            )
        self._given = {key: self._resolved(key, direct.pop(key)) for key in list(direct) if key in ours}
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add the hosts of a configuration file to the inventory.

        :param cache: false if all EEMs must be asked
        """
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        kept = self._host_cache(path, refresh=not cache) if self.get_option("cache") else None
        try:
            hosts = run_plugin(
                SPEC,
                self._given,
                self.display.warning,
                lambda context: find_hosts(context, kept, [str(name) for name in inventory.groups]),
            )
        except PluginFailed as error:
            if error.details:
                self.display.vvv(error.details)
            raise AnsibleParserError(str(error)) from None
        finally:
            if kept is not None:
                self._write_cache()
        # One after the other for all hosts: once a group has the name of a host, variables would be those of the group.
        for host in hosts:
            inventory.add_host(host.name)
            for name, value in host.variables.items():
                inventory.set_variable(host.name, name, as_text(value))
        strict = self.get_option("strict")
        for host in hosts:
            variables = inventory.get_host(host.name).get_vars()
            self._set_composite_vars(self.get_option("compose"), variables, host.name, strict)
        for host in hosts:
            self._add_host_to_composed_groups(self.get_option("groups"), {}, host.name, strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, host.name, strict)

    def _host_cache(self, path: str, refresh: bool) -> HostCache:
        """Return the cache. Its plugin never drops an answer: one that is too old is used if its EEM is away."""
        max_age = self.get_option("cache_timeout")
        self.set_option("cache_timeout", 0)
        self.load_cache_plugin()
        entries = _Entries(self._cache, self.display.warning)
        return HostCache(entries, f"{self.get_cache_key(path)}_", max_age, refresh)

    def _write_cache(self) -> None:
        try:
            self.update_cache_if_changed()
        except Exception as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
            self.display.warning(f"The cache of the inventory cannot be written ({type(error).__name__}: {error}).")

    def _set_composite_vars(self, compose: t.Any, variables: t.Any, host: str, strict: bool = False) -> None:
        """Set the variables of `compose`. Their values may contain text of a card."""
        super()._set_composite_vars(compose, variables, host, strict)
        found = self.inventory.get_host(host).vars
        for name in compose or ():
            if name in found:
                self.inventory.set_variable(host, name, as_text(found[name]))

    def _sanitize_group_name(self, name: str) -> str:
        """Return the name of a group: without characters that could be part of a template, and not that of a host."""
        safe = to_safe_group_name(str(name))
        return f"{safe}_group" if safe in self.inventory.hosts else safe

    def _resolved(self, option: str, value: t.Any) -> t.Any:
        """Return the value of an option, decrypted, or with its templates evaluated."""
        if isinstance(value, list):
            return [self._resolved(option, item) for item in value]
        if value is None or isinstance(value, (bool, int, float, Mapping)):
            return value
        self.templar.available_variables = self._vars or {}
        # Before ansible-core 2.19, a password that looks like a list would become one.
        as_it_is = {"convert_data": False} if trust_as_template is None and option not in ("podms", "podm") else {}
        try:
            if not isinstance(value, str):
                return str(value)  # encrypted
            found = self.templar.template(value, **as_it_is)
        except AnsibleError as error:
            # The message may quote the template, which may contain a part of the password.
            why = "" if option == "password" else f": {error}"
            raise AnsibleParserError(f"The value of `{option}` cannot be decrypted or evaluated{why}.") from None
        return str.__str__(found) if isinstance(found, str) else found
