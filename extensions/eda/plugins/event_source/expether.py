# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events about the devices of an ExpEther fabric, for Event-Driven Ansible. The library finds them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
author:
  - nec.expether contributors (@nec-expether)
short_description: Events about the devices of an ExpEther fabric
version_added: 1.0.0
description:
  - Emits an event when a device is added, goes missing, is attached or detached, connects or disconnects, stops responding
    or responds again, and when an EEM goes offline or comes back. Each event is emitted once.
  - With O(source=live), EEMs are polled. With O(source=registry), the source reads what C(expether_sync) and other tasks
    have stored, and asks no EEM. It is then told of changes at once if the registry is a PostgreSQL database.
  - What is there at the first poll is the base to which later polls are compared, and causes no events, except for
    C(podm_offline). What happens while the source does not run is not noticed, unless it still shows in the next run.
  - Every event has all keys; those without a value are null. RETURN describes them, and so does the JSON schema in
    C(schemas/expether_events.json).
options:
  podms:
    description:
      - The names or UUIDs of registered pod managers, see the module C(nec.expether.expether_podm).
      - Set either this or O(url). Without both, the environment variable E(EEM_PODM) applies, which has one name; without
        that, E(EEM_URL). Otherwise all registered pod managers are watched, also those that are registered later.
    type: list
    elements: str
    aliases: [podm]
  source:
    description:
      - V(live) asks the EEMs, once in each O(interval).
      - V(registry) reads the registry, once in each O(interval), and whenever PostgreSQL announces a change. It notices
        what a synchronisation has stored, so have C(expether_sync) run often enough.
    type: str
    choices: [live, registry]
    default: live
  interval:
    description: How many seconds to wait between two polls, from 1 to 86400.
    type: float
    default: 60
  url:
    description: The base URL of an EEM, such as V(http://eem.example.com:30500/eem), instead of registered pod managers.
    type: str
  username:
    description: The user name for HTTP Basic authentication. E(EEM_USERNAME) applies only if a URL is used.
    type: str
  password:
    description:
      - The password for HTTP Basic authentication. E(EEM_PASSWORD) applies only if a URL is used.
      - A password that EEM refused is not sent again for 15 minutes, unless it is changed.
    type: str
  validate_certs:
    description:
      - Whether the EEM's TLS certificate must be valid. This value takes precedence over E(EEM_VALIDATE_CERTS), which takes
        precedence over the value registered with the pod manager. Without them, it is V(true).
    type: bool
  ca_path:
    description:
      - A file or directory with trusted certificate authorities, or the PEM text of their certificates. V("") means those
        of certifi. The precedence is that of O(validate_certs), with E(EEM_CA_PATH).
    type: path
    aliases: [ca_cert]
  client_cert:
    description:
      - A PEM file with the client certificate and its chain. V("") means none. The precedence is that of O(validate_certs),
        with E(EEM_CLIENT_CERT).
    type: path
  client_key:
    description:
      - A PEM file with the private key of O(client_cert). V("") means none. The precedence is that of O(validate_certs),
        with E(EEM_CLIENT_KEY).
    type: path
  timeout:
    description:
      - The time limit in seconds for a connection, and for a complete response. More than 0 and at most 3600. This value
        takes precedence over the one registered with the pod manager, which takes precedence over E(EEM_TIMEOUT). Without
        them, it is 30.
    type: float
  retries:
    description:
      - How often a read is repeated if EEM does not respond, from 0 to 100. The precedence is that of O(timeout), with
        E(EEM_RETRIES). Without a value, it is 3. An EEM that is offline is asked once in each poll.
    type: int
  registry:
    description:
      - Where pod managers, nodes and devices are stored, as in the modules. E(EXPETHER_REGISTRY) applies if it is not set.
      - It is only read. It must be set in a decision environment, except with O(url) and O(source=live).
    type: str
  registry_key_file:
    description: The file with the key that encrypts the passwords in the registry, or E(EXPETHER_REGISTRY_KEY_FILE).
    type: path
requirements:
  - python >= 3.9, with ansible-core 2.16 or later in the environment of ansible-rulebook
  - requests
  - cryptography, if a password is stored in the registry
  - psycopg 3, if the registry is a PostgreSQL database
notes:
  - In texts of events, braces are replaced by parentheses, because a card could otherwise send a template to playbooks.
"""

EXAMPLES = r"""
---
# The EEM of a registered pod manager, asked every 30 seconds. In a rulebook, this is an entry of `sources`.
- nec.expether.expether:
    podms: [rack1]
    interval: 30

# An EEM that need not be registered. ansible-rulebook --env-vars EEM_PASSWORD provides the variable.
- nec.expether.expether:
    url: http://eem.example.com:30500/eem
    username: monitor
    password: "{{ EEM_PASSWORD }}"

# All pod managers of a shared registry, without asking an EEM: what expether_sync stores is noticed at once.
- nec.expether.expether:
    source: registry
    registry: postgresql://expether@db.example.com/expether
"""

RETURN = r"""
type:
  description:
    - What happened.
  type: str
  choices:
    - device_added
    - device_missing
    - device_unreachable
    - device_reachable
    - device_disconnected
    - device_detached
    - device_attached
    - device_connected
    - podm_offline
    - podm_online
  sample: device_detached
  returned: always
at:
  description:
    - When it was noticed, in UTC.
  type: str
  sample: '2026-11-28T08:15:02Z'
  returned: always
podm:
  description:
    - The name of the pod manager; null if the EEM is not registered.
  type: str
  sample: rack1
  returned: always
podm_id:
  description:
    - The UUID of the pod manager.
  type: str
  sample: 97e8edc4-3a67-5a91-b64c-a0c88adb58e9
  returned: always
url:
  description:
    - The URL of the EEM.
  type: str
  sample: http://eem.example.com:30500/eem
  returned: always
device:
  description:
    - The device as it is now, with the keys of a device in results of modules. In C(device_missing), as it
      was last listed. Null if the event is about a pod manager.
  type: dict
  returned: always
  contains:
    uuid:
      description:
        - The UUID of the device. It is derived from its pod manager and its EEM id.
      type: str
      sample: 92b7c2d4-5f3e-5d0c-9a35-5d6b2f0a8c11
      returned: always
    device_id:
      description:
        - The EEM id of the device (EEIO).
      type: str
      sample: '0x8cdf9d512930'
      returned: always
    podm_id:
      description:
        - The UUID of the pod manager.
      type: str
      sample: 97e8edc4-3a67-5a91-b64c-a0c88adb58e9
      returned: always
    podm:
      description:
        - The name of the pod manager; null if the EEM is not registered.
      type: str
      sample: rack1
      returned: always
    type:
      description:
        - 'The device type: SSD, NIC, GPU, Multi, SWITCH, USB, ACS or Unknown; null if the card reports no
          class code, and if C(populated) is not true.'
      type: str
      sample: GPU
      returned: always
    state:
      description:
        - 'C(free), C(allocated) to a system, or C(stranded): in a group that no system has, or left behind
          by a released node because it does not respond.'
      type: str
      sample: allocated
      returned: always
    node_id:
      description:
        - The EEM id of the system (EESV) that has the device.
      type: str
      sample: '0x8cdf9d53f236'
      returned: always
    node:
      description:
        - The name of the node that has the device; null if its system is not a node.
      type: str
      sample: train-1
      returned: always
    last_node:
      description:
        - The name of the node that had the group of a stranded device; null if the registry does not know
          it, or if the device is not stranded.
      type: str
      sample: train-2
      returned: always
    pooled_group_id:
      description:
        - The group id; 4093 for a free device.
      type: str
      sample: '17'
      returned: always
    resource_uri:
      description:
        - The path of the device in EEM's API.
      type: str
      sample: devices/0x8cdf9d512930
      returned: always
    mac_address:
      description:
        - The MAC address of the card.
      type: str
      sample: 8c:df:9d:51:29:30
      returned: always
    model:
      description:
        - The model of the card or I/O box.
      type: str
      sample: EE I/O Expansion Unit (40G)-2S
      returned: always
    serial_number:
      description:
        - The serial number of the card or I/O box.
      type: str
      sample: 6Z00101
      returned: always
    card_type:
      description:
        - 'The card''s generation: 1g, 10g or 40g.'
      type: str
      sample: 40g
      returned: always
    vendor_id:
      description:
        - The PCI vendor id in 4 hex digits.
      type: str
      sample: 10de
      returned: always
    pci_device_id:
      description:
        - The PCI device id in 4 hex digits.
      type: str
      sample: 1db6
      returned: always
    class_code:
      description:
        - The PCI class code in 6 hex digits.
      type: str
      sample: '030200'
      returned: always
    vendor_name:
      description:
        - The vendor's name in the PCI id list; null without the list.
      type: str
      sample: NVIDIA Corporation
      returned: always
    device_name:
      description:
        - The device's name in the PCI id list; null without the list.
      type: str
      sample: GV100GL [Tesla V100 PCIe 32GB]
      returned: always
    populated:
      description:
        - Whether there is a device in the slot. Null if the card does not report it, and for a system. Unless
          it is true, the type, the PCI ids, the class code and the names are null.
      type: bool
      sample: true
      returned: always
    connected:
      description:
        - Whether the card reports its link to the system as up; false for a device without a system, null
          if the card does not report it. In check mode, what is expected; null if the system would get its
          group id.
      type: bool
      sample: true
      returned: always
    reachable:
      description:
        - Whether at least one port of the card is up; null if the card does not report it.
      type: bool
      sample: true
      returned: always
    ports_up:
      description:
        - How many of the card's two ports are up. With 1 there is no redundant path.
      type: int
      sample: 1
      returned: always
    enabled:
      description:
        - Whether the card accepts changes; null if the card does not report it.
      type: bool
      sample: true
      returned: always
    power_state:
      description:
        - The power state as reported by the card.
      type: str
      sample: 'on'
      returned: always
    updated_at:
      description:
        - When the card last changed, in UTC.
      type: str
      sample: '2021-11-16T16:08:52.401Z'
      returned: always
    first_seen_at:
      description:
        - When the device was first stored in the registry, in UTC; null if it is not stored.
      type: str
      sample: '2026-11-24T02:00:18Z'
      returned: always
    last_seen_at:
      description:
        - When EEM last listed the device during a synchronisation, in UTC; null if the device is not stored.
      type: str
      sample: '2026-11-25T08:15:02Z'
      returned: always
    missing_since:
      description:
        - Since when EEM has no longer listed the stored device, in UTC; null if EEM lists it.
      type: str
      sample: '2026-11-25T08:20:02Z'
      returned: always
    synced_at:
      description:
        - When the device was last synchronised, in UTC; null if it is not stored.
      type: str
      sample: '2026-11-25T09:40:02Z'
      returned: always
previous:
  description:
    - The device as it was listed before, with the same keys; for example with the node that it was detached
      from. Null if it was added, and if the event is about a pod manager.
  type: dict
  returned: always
reason:
  description:
    - In C(podm_offline), why the EEM counts as offline; otherwise null.
  type: str
  sample: 'GET http://eem.example.com:30500/eem/devices/detail: no connection (Connection refused). Is EEM
    running there?'
  returned: always
failure:
  description:
    - The same in machine-readable form, as in results of modules. Also null if a synchronisation noticed
      it, and if EEM responded, but did not list most of its devices.
  type: dict
  returned: always
  contains:
    kind:
      description:
        - 'The kind of failure: C(invalid), C(not_found), C(refused), C(unreachable), C(timeout), C(tls),
          C(unauthorized), C(not_eem), C(eem_refused), C(server_error), C(connection_lost), C(bad_record),
          C(stale), C(outcome_unknown), C(claims_lost), C(interrupted), C(registry), C(registry_conflict),
          C(textfile) or C(missing_library).'
      type: str
      sample: refused
      returned: always
    code:
      description:
        - EEM's five-digit code, if it sent one.
      type: str
      sample: '40004'
      returned: always
    http_status:
      description:
        - The HTTP status, if EEM responded.
      type: int
      sample: 400
      returned: always
    message:
      description:
        - What went wrong.
      type: str
      sample: '2 GPU requested, 1 free. Not available: 0x8cdf9d512932 not responding.'
      returned: always
    url:
      description:
        - The URL of the request, without credentials; null if EEM was not asked.
      type: str
      sample: http://eem.example.com:30500/eem/devices/0x8cdf9d512932/group_id
      returned: always
"""

import asyncio
import itertools
import logging
import sys
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LOG = logging.getLogger("nec.expether")


def _import_watch() -> type[t.Any]:
    """Return the library's `Watch`.

    ansible-rulebook runs this file without Ansible's loader of collections, which are found through the path of this file.
    """
    top = Path(__file__).absolute().parents[6]
    if str(top.parent) not in sys.path:
        sys.path.insert(0, str(top.parent))
    import ansible_collections

    if str(top) not in ansible_collections.__path__:  # the package of another installation, which has an __init__.py
        ansible_collections.__path__.insert(0, str(top))
    from ansible_collections.nec.expether.plugins.module_utils._modules.watch import Watch

    return Watch


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Put events into the queue until the task is cancelled.

    :raises PluginFailed: an option is invalid, or the first poll cannot work
    """
    given = {name: value for name, value in args.items() if not name.startswith("eda_")}  # of ansible-rulebook itself
    loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor(max_workers=1)
    try:
        watch_class = await loop.run_in_executor(pool, _import_watch)  # takes long, and other sources would wait
        watch = watch_class(given, LOG.warning)
        try:
            await loop.run_in_executor(pool, watch.start)
            for number in itertools.count():
                events = await loop.run_in_executor(pool, watch.poll)
                if number == 0:
                    LOG.info("The first poll has ended. Later ones are compared to it.")
                for event in events:
                    await queue.put(event)
                    await asyncio.sleep(0)  # the queue of a rulebook holds one event
                await loop.run_in_executor(pool, watch.wait)
        finally:
            watch.stop()
            pool.submit(watch.close)
    finally:
        pool.shutdown(wait=False)
