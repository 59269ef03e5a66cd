# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which EEM a task talks to, and how."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of all modules that talk to an EEM."""

    # How to reach an EEM whose URL is known.
    CONNECTION = r"""
options:
  url:
    description:
      - The base URL of an EEM, such as V(http://eem.example.com:30500/eem). A slash at its end does not matter.
      - It must hold no user name and no password.
      - If it is not set, the environment variable E(EEM_URL) is used.
    type: str
  username:
    description:
      - The user name for HTTP Basic authentication. Without one, or with V(""), no authentication is tried.
      - It needs O(password), and O(password) needs it, unless the other one was registered with the pod manager.
      - If it is not set, the environment variable E(EEM_USERNAME) is used together with a URL.
    type: str
  password:
    description:
      - The password for HTTP Basic authentication.
      - If it is not set, the environment variable E(EEM_PASSWORD) is used together with a URL.
    type: str
  validate_certs:
    description:
      - Whether the EEM's TLS certificate must be valid.
      - If it is not set, what was registered with the pod manager holds, or else V(true).
    type: bool
  ca_path:
    description:
      - A file or folder with the certificate authorities to trust, on the host where the module runs.
      - Without it those of the Python library certifi are trusted, and also with V("") where one was registered.
    type: path
    aliases: [ca_cert]
  client_cert:
    description:
      - A PEM file with the client certificate and its chain, on the host where the module runs.
      - It holds the private key too, unless O(client_key) is given. V("") means none, also where one was registered.
    type: path
  client_key:
    description:
      - A PEM file with the private key of O(client_cert). V("") means none, also where one was registered.
    type: path
  timeout:
    description:
      - How many seconds a connection, and a whole answer, may take. More than 0 and at most 3600.
      - All that a task waits for (an EEM that does not answer or restarts, other runs, planning again) takes
        O(timeout) times one more than O(retries) at most, then one more answer. Warnings say what it waited for.
      - If it is not set, what was registered with the pod manager holds, or else V(30).
    type: float
  retries:
    description:
      - How often a read is tried again when EEM does not answer, and how often a plan is made again when the cards
        have changed meanwhile, from 0 to 100 times. A change is never sent again before the card was read.
      - Once something was changed, EEM is asked for as long as the wait that O(timeout) describes, so that it is
        learnt what is true.
      - If it is not set, what was registered with the pod manager holds, or else V(3).
    type: int
  conditional_updates:
    description:
      - Whether a change is sent with the time of the card's last change, so that EEM can refuse it if somebody else
        has changed the card meanwhile. An EEM that does not take this is served without.
      - If it is not set, what was registered with the pod manager holds, or else V(true).
    type: bool
notes:
  - Options are checked before anything else happens, also those that the task does not need. An option without a default
    that is null is as if it were not set. An empty text, a boolean, or an empty entry of a list is refused where a name,
    an id or a place is wanted, and an empty list means nothing, never all.
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
      - Either this or O(url) says which EEM is meant; this beats the environment variable E(EEM_URL).
      - Only where it is not set, or null, a task may be about all registered pod managers.
    type: str
notes:
  - Runs that share a registry claim there what they change, so that nothing is given twice. With O(url) of an EEM
    that is not registered there are no claims, and only EEM's own rules and O(conditional_updates) keep two runs
    apart.
  - Proxies and other settings of the environment are not used to reach an EEM.
"""

    # For modules that are about one card.
    CARD = r"""
options:
  device:
    description:
      - The card. A device by its EEM id or UUID, a system by its EEM id or by the name or UUID of the node that it
        is.
    type: str
    required: true
"""

    # For modules that are not about the devices of one EEM.
    NOT_NEEDED = r"""
options:
  podm:
    description:
      - Not used by this module. It is taken, like the options of how to reach an EEM where they do nothing, so that
        C(module_defaults) of the action group may set it. A value that cannot be meant is refused all the same.
    type: str
"""
