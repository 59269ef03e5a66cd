# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The formatter breaks lines before operators, as PEP 8 recommends; Galaxy's flake8 warns of that.
# flake8: noqa: W503

"""Runs pci_function_info and pci_function. Private to the collection."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.nec.expether.plugins.module_utils._ansible.host import HostTask, Result
from ansible_collections.nec.expether.plugins.module_utils._model.errors import InvalidInput, PlanRefused
from ansible_collections.nec.expether.plugins.module_utils._model.names import comma_list
from ansible_collections.nec.expether.plugins.module_utils._model.properties import normal_pci_id
from ansible_collections.nec.expether.plugins.module_utils._pci.functions import (
    Function,
    Machine,
    functions_folder,
    read_machine,
    shown,
)
from ansible_collections.nec.expether.plugins.module_utils._pci.kernel import (
    Deadline,
    HotplugFailed,
    check_writable,
    is_claimed,
    write_one,
)
from ansible_collections.nec.expether.plugins.module_utils._pci.usage import Usage, read_usage
from ansible_collections.nec.expether.plugins.module_utils._pci.users import User, users_of

View = dict[str, t.Any]

MAX_TIMEOUT = 600  # seconds
#: How long a new function is waited for to get a driver: one without a suitable driver never gets one.
DRIVER_SECONDS = 10.0
MAX_SENTENCE = 12  # users in a message
_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-1][0-9a-f])(?:\.([0-7]))?\Z")
#: What the functions of a machine's own bridges have as class: none of them is a device.
_HOST_BRIDGES = ("0600", "0601")


class _Wanted(t.NamedTuple):
    """Which functions a task selects. `None` matches any value."""

    vendor_id: str | None
    pci_device_id: str | None
    slot: str | None
    function: str | None

    def matches(self, function: Function) -> bool:
        return (
            self.vendor_id in (None, function.vendor_id)
            and self.pci_device_id in (None, function.pci_device_id)
            and self.slot in (None, function.slot)
            and (self.function is None or function.address.endswith(f".{self.function}"))
        )

    @property
    def ids(self) -> str:
        return f"{self.vendor_id or '*'}:{self.pci_device_id or '*'}"


def _wanted(params: t.Mapping[str, t.Any]) -> _Wanted:
    """Return what the options select.

    :raises InvalidInput: an option is not an id or an address, or sysfs or procfs is not there
    """
    ids = [None if params[key] is None else normal_pci_id(params[key], key) for key in ("vendor_id", "pci_device_id")]
    slot = number = None
    if params["address"] is not None:
        match = _ADDRESS.match(params["address"].strip().lower())
        if match is None:
            raise InvalidInput(
                f"`address` must be the address of a PCI function or slot, such as 0000:01:00.0 or 0000:01:00, not"
                f" {shown(params['address'])!r}."
            )
        slot, number = f"{match[1] or '0000'}:{match[2]}:{match[3]}", match[4]
    for option, inside in (("sysfs_root", "bus"), ("proc_root", "self")):
        if not os.path.lexists(os.path.join(params[option], inside)):
            raise InvalidInput(
                f"`{option}`: {params[option]} has no {inside}, so it is not where the kernel shows the state of this host."
            )
    return _Wanted(ids[0], ids[1], slot, number)


def run_info(task: HostTask) -> Result:
    """List functions with their users."""
    wanted = _wanted(task.params)
    machine, usage = read_machine(task.params["sysfs_root"]), read_usage(task.params["proc_root"])
    if not usage.is_complete:
        task.warn(
            "Not all users of PCI functions are shown, because only root can see the open files of all processes. Run the"
            " task as root (`become: true`)."
        )
    found = [function for function in machine.functions.values() if wanted.matches(function)]
    return {"changed": False, "functions": [_view(function, machine, usage) for function in found]}


def run(task: HostTask) -> Result:
    """Make functions appear or disappear."""
    wanted, seconds = _wanted(task.params), task.params["timeout"]
    if not 0 < seconds <= MAX_TIMEOUT:
        raise InvalidInput(f"`timeout` must be more than 0 and at most {MAX_TIMEOUT} seconds, not {seconds:g}.")
    if task.params["count"] < 1:
        raise InvalidInput(f"`count` must be at least 1, not {task.params['count']}.")
    if task.params["state"] == "present" and wanted.slot is not None:
        raise InvalidInput("`address` cannot be set with `state: present`: the kernel chooses the addresses.")
    return (_present if task.params["state"] == "present" else _absent)(task, wanted, Deadline(seconds))


# -- present


def _present(task: HostTask, wanted: _Wanted, deadline: Deadline) -> Result:
    root, count = task.params["sysfs_root"], task.params["count"]

    def find() -> list[Function]:
        return [function for function in read_machine(root).functions.values() if wanted.matches(function)]

    before = found = find()
    is_missing = len(before) < count
    if is_missing:
        rescan = os.path.join(root, "bus", "pci", "rescan")
        check_writable(rescan)
        if not task.check_mode:
            found = _rescan(rescan, find, wanted, count, deadline)
    if not task.check_mode:
        found = _with_driver(find, found, Deadline(min(deadline.left(), DRIVER_SECONDS)))
        unbound = [function.address for function in found if function.driver is None]
        if unbound:
            task.warn(
                f"No driver uses {comma_list(unbound)} ({wanted.ids}). Install or load the driver of the device on this"
                " host."
            )
    machine, usage = read_machine(root), read_usage(task.params["proc_root"])
    return {
        "changed": is_missing,
        "functions": [_view(machine.functions.get(each.address, each), machine, usage) for each in found],
        "diff": {"before": _to_diff(before), "after": _to_diff(found)},
    }


def _rescan(
    rescan: str, find: t.Callable[[], list[Function]], wanted: _Wanted, count: int, deadline: Deadline
) -> list[Function]:
    before = len(find())
    found: list[Function] = []

    def are_there() -> bool:
        found[:] = find()
        return len(found) >= count

    try:
        write_one(rescan, deadline)
        if deadline.wait(are_there):
            return found
        raise HotplugFailed(
            f"{count} PCI functions {wanted.ids} were requested, {len(found)} are there {deadline.seconds:g} s after the"
            " rescan. Check with expether_device_info that the devices are attached and `connected`. If the system has"
            " just got its group id, or the kernel has no bus numbers or memory left for the devices, reboot the host"
            " (kernel parameter `pci=realloc,hpbussize=32`)."
        )
    except HotplugFailed as error:
        error.changed = len(find()) != before
        raise


def _with_driver(find: t.Callable[[], list[Function]], found: list[Function], deadline: Deadline) -> list[Function]:
    """Wait until all functions have a driver; return them as they are then."""
    state = [found]

    def all_bound() -> bool:
        if all(function.driver for function in state[0]):
            return True
        state[0] = find()
        return all(function.driver for function in state[0])

    deadline.wait(all_bound)
    return state[0]


# -- absent


def _absent(task: HostTask, wanted: _Wanted, deadline: Deadline) -> Result:
    root = task.params["sysfs_root"]
    machine = read_machine(root)
    functions = _to_remove(machine, wanted)
    usage = read_usage(task.params["proc_root"])
    views = [_view(function, machine, usage) for function in functions]
    if functions:
        files = [os.path.join(functions_folder(root), function.address, "remove") for function in functions]
        for file in files:
            check_writable(file)
        if not usage.is_complete:
            raise PlanRefused(
                "Whether the function is in use is not known, because only root can see the open files of all processes."
                " Run the task as root (`become: true`)."
            )
        _check_unused(functions, machine, usage, task)
        if not task.check_mode:
            _remove(root, functions, files, deadline)
    diff = {"before": _to_diff(functions), "after": {}}
    return {"changed": bool(functions), "functions": views, "diff": diff}


def _to_remove(machine: Machine, wanted: _Wanted) -> list[Function]:
    """Return all functions of the selected slot, highest first; none if it is empty.

    :raises PlanRefused: several slots are selected, or one with a bridge that belongs to the machine
    """
    matching = [function for function in machine.functions.values() if wanted.matches(function)]
    slots = sorted({function.slot for function in matching})
    if len(slots) > 1:
        raise PlanRefused(
            f"{len(slots)} slots have a function {wanted.ids}: {comma_list(slots)}. Set `address` to the one to remove."
        )
    found = [function for function in machine.functions.values() if function.slot in slots]
    own = [function.address for function in found if (function.class_code or "").startswith(_HOST_BRIDGES)]
    if own:
        raise PlanRefused(f"{comma_list(own)} belongs to the machine itself and cannot be removed.")
    return sorted(found, key=lambda function: function.address, reverse=True)


def _check_unused(functions: t.Sequence[Function], machine: Machine, usage: Usage, task: HostTask) -> None:
    """Reject the removal of what is in use.

    :raises PlanRefused: somebody uses a function
    """
    by_text = {user.text: user for function in functions for user in _users(function, machine, usage)}
    what, users = functions[-1].slot, [*by_text.values()]
    fatal = [user for user in users if not (user.forcible and task.params["force"])]
    if fatal:
        found = f"{what} is in use: {_sentence(fatal)}."
        raise PlanRefused(
            f"{found} End this use first."
            if any(not user.forcible for user in fatal)
            else f"{found} End this use first, or set `force: true`.",
            details={"users": [_user_view(user) for user in users]},
        )
    if users:
        task.warn(f"{what} is removed although it is in use: {_sentence(users)}.")


def _remove(root: str, functions: t.Sequence[Function], files: t.Sequence[str], deadline: Deadline) -> None:
    links = [os.path.join(functions_folder(root), function.address) for function in functions]

    def left() -> list[str]:
        return [os.path.basename(link) for link in links if os.path.lexists(link)]

    try:
        for file in files:
            write_one(file, deadline)
        if not deadline.wait(lambda: not left()):
            raise HotplugFailed(
                f"{comma_list(left())} is still there {deadline.seconds:g} s after its removal. Check the kernel's log"
                " (`dmesg`)."
            )
    except HotplugFailed as error:
        # A removal that was begun may still end, and its driver is already unbound then.
        error.changed = True
        gone = [function.address for function in functions if function.address not in left()]
        if gone:
            error.message += f" Already removed: {comma_list(gone)}."
        raise


# -- results


def _users(function: Function, machine: Machine, usage: Usage) -> list[User]:
    """Return who uses a function, and what only the kernel's claims on its block devices show."""
    users = users_of(function, machine, usage)
    known = {user.device for user in users if user.device}
    for each in machine.removed_with(function):
        for name in reversed(each.blocks):  # partitions before their disk
            block = machine.blocks[name]
            # Whoever uses a partition claims its disk, too, and the reverse.
            disks = {machine.blocks[part].disk for part in known & {*each.blocks}}
            if name in known or block.disk in known or name in disks or not is_claimed(name, block.number):
                continue
            text = f"the kernel uses {name}, for a storage pool, a cache or an exported target"
            users.append(User(each.address, "kernel", name, name, None, False, text))
            known.add(name)
    return users


def _view(function: Function, machine: Machine, usage: Usage) -> View:
    interfaces = (machine.interfaces[name] for name in function.interfaces if name in machine.interfaces)
    return {
        "address": function.address,
        "slot": function.slot,
        "physical_slot": shown(function.physical_slot),
        "vendor_id": function.vendor_id,
        "pci_device_id": function.pci_device_id,
        "class_code": function.class_code,
        "type": function.type,
        "driver": shown(function.driver),
        "serial_number": shown(function.serial_number),
        "block_devices": [shown(name) for name in function.blocks],
        "interfaces": [
            {"name": shown(each.name), "mac_address": shown(each.mac_address), "up": each.is_up} for each in interfaces
        ],
        "virtual_functions": function.virtual_functions,
        "users": [_user_view(user) for user in _users(function, machine, usage)],
    }


def _sentence(users: t.Sequence[User]) -> str:
    """Return what users do, for a message. The result has all of them."""
    rest = len(users) - MAX_SENTENCE
    return "; ".join([*(user.text for user in users[:MAX_SENTENCE]), *([f"and {rest} more"] if rest > 0 else [])])


def _user_view(user: User) -> View:
    return dict(user._asdict())


def _to_diff(functions: t.Sequence[Function]) -> View:
    """Return functions as the diff shows them."""
    return {
        function.address: {
            "id": f"{function.vendor_id}:{function.pci_device_id}",
            "type": function.type,
            "driver": shown(function.driver),
        }
        for function in sorted(functions, key=lambda each: each.address)
    }
