# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that choose an EEM and describe the connection to it."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of all modules that talk to an EEM."""

    # How to reach an EEM whose URL is known.
    CONNECTION = r"""
options:
  url:
    description:
      - The base URL of an EEM, such as V(http://eem.example.com:30500/eem), or with the zone of an IPv6 link-local
        address V(http://[fe80::1%25eth0]:30500/eem) or V(http://[fe80::1%eth0]:30500/eem). Different spellings of one
        URL are equal.
      - If no pod manager is registered with this URL, but the EEM lists cards of one, the task acts as that pod manager.
      - It must not contain a user name or password.
      - If it is not set, the environment variable E(EEM_URL) is used, unless E(EEM_PODM) is set.
    type: str
  username:
    description:
      - The user name for HTTP Basic authentication. If it is not set, or V(""), no authentication is used.
      - O(username) and O(password) must be set together, unless the other one is registered with the pod manager.
      - If it is not set and a URL is used, the environment variable E(EEM_USERNAME) applies.
    type: str
  password:
    description:
      - The password for HTTP Basic authentication.
      - If it is not set and a URL is used, the environment variable E(EEM_PASSWORD) applies.
    type: str
  validate_certs:
    description:
      - Whether the EEM's TLS certificate must be valid.
      - If it is not set, the environment variable E(EEM_VALIDATE_CERTS) is used, which belongs to the host where the module
        runs. V(false) in it switches the check off for every EEM that a task on this host talks to, whatever is registered.
        Otherwise the value registered with the pod manager is used, otherwise V(true).
    type: bool
  ca_path:
    description:
      - A file or directory with trusted certificate authorities, on the host where the module runs, or the PEM text of
        their certificates, from C(-----BEGIN CERTIFICATE-----) to C(-----END CERTIFICATE-----). A text needs no file on the
        host, also not when it is registered. Line breaks in it may be spaces. Text between certificates is ignored. A
        private key is refused.
      - If it is not set, the environment variable E(EEM_CA_PATH) is used, which takes a path or a text too. It belongs to the
        host where the module runs, and therefore takes precedence over what is registered with the pod manager.
      - If none is set or registered, the authorities of the Python library certifi are trusted. V("") also selects them,
        and overrides the environment and a registered value.
    type: path
    aliases: [ca_cert]
  client_cert:
    description:
      - A PEM file with the client certificate and its chain, on the host where the module runs.
      - The file must also contain the private key, unless O(client_key) is set. V("") means no certificate and no key, and
        overrides the environment and registered values.
      - If it is not set, the environment variable E(EEM_CLIENT_CERT) is used, otherwise the value registered with the pod
        manager. With E(EEM_CLIENT_CERT), a registered O(client_key) is not used.
    type: path
  client_key:
    description:
      - A PEM file with the private key of O(client_cert), on the host where the module runs. V("") means no key, and
        overrides the environment and a registered value.
      - If it is not set, the environment variable E(EEM_CLIENT_KEY) is used, unless the task sets O(client_cert), otherwise
        the value registered with the pod manager.
    type: path
  timeout:
    description:
      - The time limit in seconds for a connection, and for a complete response. More than 0 and at most 3600.
      - A task waits at most O(timeout) * (O(retries) + 1) seconds in total, plus one last response, for an EEM that
        does not respond or restarts, for other runs, and for changed plans. Warnings name the reasons for the wait.
      - If it is not set, the value registered with the pod manager is used, otherwise the environment variable
        E(EEM_TIMEOUT), otherwise V(30).
    type: float
  retries:
    description:
      - How often a read is repeated if EEM does not respond, and how often a plan is recalculated if the cards have
        changed in the meantime, from 0 to 100. A change is never sent again before the card was read.
      - After the first change, reads are repeated until the time described in O(timeout) is used up, because the
        outcome must be known.
      - If it is not set, the value registered with the pod manager is used, otherwise the environment variable
        E(EEM_RETRIES), otherwise V(3).
    type: int
  conditional_updates:
    description:
      - Whether a change is sent with the time of the card's last change. EEM can then refuse it if somebody else has
        changed the card in the meantime. If an EEM does not support this, changes are sent without the time.
      - If it is not set, the value registered with the pod manager is used, otherwise the environment variable
        E(EEM_CONDITIONAL_UPDATES), otherwise V(true).
    type: bool
notes:
  - All options are checked before anything else happens, including those that the task does not need. An option without
    a default that is null counts as not set. For a name, an id or a path, an empty string, a boolean or an empty list
    entry is an error. An empty list selects nothing, never everything.
  - Environment variables are those of the host where the module runs. An empty one counts as not set. An invalid value of
    one that belongs to a connection option is an error in every module, unless the task sets the option.
requirements:
  - python >= 3.9
  - requests
"""

    # A registered pod manager, or a URL.
    DOCUMENTATION = r"""
options:
  podm:
    description:
      - The name or UUID of a registered pod manager, see M(nec.expether.expether_podm).
      - Set either this or O(url) to choose the EEM. If neither is set, the environment variable E(EEM_PODM) is used,
        otherwise E(EEM_URL).
      - A task can only apply to all registered pod managers if none of them is set.
    type: str
notes:
  - Runs that share a registry claim the cards that they change, so that no device is assigned twice. With the O(url) of
    an EEM that is not registered there are no claims. Only EEM's own rules and O(conditional_updates) then protect
    parallel runs from each other.
  - Proxies and other connection settings from the environment are ignored.
"""

    # For modules that work on one card.
    CARD = r"""
options:
  device:
    description:
      - The card. Identify a device by its EEM id or UUID, and a system by its EEM id or by the name or UUID of its
        node.
    type: str
    required: true
"""

    # For modules that do not work on the devices of one EEM.
    NOT_NEEDED = r"""
options:
  podm:
    description:
      - Not used by this module. It is accepted, like the connection options that have no effect here, so that
        C(module_defaults) of the action group can set it. An invalid value is still an error. The environment variable
        E(EEM_PODM) is not used either.
    type: str
"""

    # For modules that attach devices.
    CONNECT = r"""
options:
  connect_timeout:
    description:
      - How many seconds to wait until the links between the system and the devices that the task attaches are up. Below
        V(1), for example with V(0), and in check mode, the task does not wait. Values from 0 to 600 are accepted.
      - EEM is asked at most once a second. First it is asked for the state of the devices, then to audit each device
        whose link is still down, then for the state again.
      - The task does not wait for a system whose power is off or that gets its group id in this task, and not for devices
        that do not respond or do not report their link.
      - If a link stays down, the task succeeds with a warning, and C(connected) of the device is false.
    version_added: 1.0.0
    type: float
    default: 10
  approved_plan:
    description:
      - The C(plan) that the same task returned in check mode. The task is refused before anything changes if it would now detach
        a device that this plan does not detach from the same system.
      - Set it if hosts were prepared for the devices that they lose, so that no other device is detached because something
        changed meanwhile.
    version_added: 1.0.0
    type: list
    elements: dict
    suboptions:
      action:
        description: The kind of step. Only C(detach) matters.
        type: str
        required: true
      device:
        description: The EEM id of the device.
        type: str
      node:
        description: Not used.
        type: str
      node_id:
        description: The EEM id of the system that loses the device; null for a stranded device.
        type: str
      from:
        description: Not used.
        type: str
      to:
        description: Not used.
        type: str
      status:
        description: Not used.
        type: str
"""
