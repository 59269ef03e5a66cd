# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules share, with their constraints. Private to the collection.

The environment is not read here but in `context`: Ansible fills in fallbacks before it checks which options exclude each
other, so EEM_URL in the environment would make `podm` fail.
"""

import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.python_version import refuse_old_python

refuse_old_python()


class ArgSpec(t.NamedTuple):
    """The options of a module with the constraints among them."""

    options: dict[str, dict[str, t.Any]]
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[t.Any, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()

    def merged(self, *others: "ArgSpec") -> "ArgSpec":
        """Return these options and constraints combined with those of others."""
        every = (self, *others)
        return ArgSpec(
            {name: option for spec in every for name, option in spec.options.items()},
            tuple(item for spec in every for item in spec.mutually_exclusive),
            tuple(item for spec in every for item in spec.required_if),
            tuple(item for spec in every for item in spec.required_one_of),
        )


REGISTRY = ArgSpec(
    {
        "registry": {"type": "str"},
        "registry_key_file": {"type": "path", "no_log": False},
    }
)

#: How to reach an EEM whose URL is known.
CONNECTION = ArgSpec(
    {
        "url": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool"},
        "ca_path": {"type": "path", "aliases": ["ca_cert"]},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "timeout": {"type": "float"},
        "retries": {"type": "int"},
        "conditional_updates": {"type": "bool"},
    }
)

_PODM = ArgSpec({"podm": {"type": "str"}})

#: Selects an EEM: a registered pod manager, or a URL.
EEM = CONNECTION.merged(_PODM, REGISTRY, ArgSpec({}, mutually_exclusive=(("podm", "url"),)))

#: Selects the card that a module acts on.
CARD = ArgSpec({"device": {"type": "str", "required": True}})

#: For modules that attach devices.
CONNECT = ArgSpec(
    {
        "connect_timeout": {"type": "float", "default": 10},
        "approved_plan": {
            "type": "list",
            "elements": "dict",
            "options": {
                "action": {"type": "str", "required": True},
                **{key: {"type": "str"} for key in ("device", "node", "node_id", "from", "to", "status")},
            },
        },
    }
)

#: For modules that select pod managers by an option of which `podm` is an alias.
UNUSED_CONNECTION = CONNECTION.merged(REGISTRY)

#: For modules that contact no EEM: module_defaults of the action group may set any shared option.
UNUSED_EEM = UNUSED_CONNECTION.merged(_PODM)

#: For modules that look at the PCI functions of the host they run on.
HOST = ArgSpec(
    {
        "sysfs_root": {"type": "path", "default": "/sys"},
        "proc_root": {"type": "path", "default": "/proc"},
        "vendor_id": {"type": "str"},
        "pci_device_id": {"type": "str"},
        "address": {"type": "str"},
    }
)
