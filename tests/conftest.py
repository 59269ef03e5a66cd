# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let plain pytest import ansible_collections.nec.expether from a checkout of any name.

All tests have a PCI id list of their own: that of the machine may come, go and change while they run.

Ansible finds the collection through the link below .ansible/collections, which is made here if it is missing;
ANSIBLE_HOME tells programs that tests start. Under ansible-test, which has set up all of that before this file
is read, nothing is done.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

COLLECTION = ("ansible_collections", "nec", "expether")
ROOT = Path(__file__).resolve().parents[1]

os.environ["EXPETHER_PCI_IDS"] = str(Path(__file__).resolve().with_name("pci.ids"))


def _is_importable() -> bool:
    try:
        return importlib.util.find_spec(".".join(COLLECTION)) is not None
    except ModuleNotFoundError:
        return False


def _make_link(top: Path) -> None:
    link = top.joinpath(*COLLECTION)
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)  # a copy that some tool made would hide the checkout
    try:
        link.symlink_to("../../../..", target_is_directory=True)
    except FileExistsError:
        if link.resolve() != ROOT:
            raise


def _install_finder() -> None:
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    home = ROOT / ".ansible"
    _make_link(home / "collections")
    os.environ["ANSIBLE_HOME"] = str(home)
    os.environ.pop("ANSIBLE_COLLECTIONS_PATH", None)
    _AnsibleCollectionFinder(paths=[str(home / "collections")])._install()


if not _is_importable():
    _install_finder()
