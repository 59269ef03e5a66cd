# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs an installed collection, and a folder of wheels, for the host; tells what they are. Runs on the controller.

  pack.py FOLDER WHEELS    packs FOLDER/ansible_collections and the wheels, if there are any, as FOLDER/bundle.tar
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from pathlib import Path


def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whoever runs Ansible is nobody on the host; and what was private on the controller is read by the service."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def main(folder: Path, wheels: str) -> None:
    """Pack, and tell of the collection its version and a digest, and what pip is to install for it."""
    collection = folder / "ansible_collections" / "nec" / "expether"
    if not collection.is_dir():
        sys.exit("This is another collection; nec.expether is wanted.")
    # Not the bytes of the tarball, which has times in it: the files.
    files = json.loads((collection / "FILES.json").read_text(encoding="utf-8"))["files"]
    content = sorted((entry["name"], entry["chksum_sha256"] or "") for entry in files)
    manifest = json.loads((collection / "MANIFEST.json").read_text(encoding="utf-8"))
    lines = (collection / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = sorted(Path(wheels).glob("*.whl")) if wheels else []
    if wheels and not found:
        sys.exit(f"There are no wheels in {wheels}.")
    with tarfile.open(folder / "bundle.tar", "w") as bundle:
        bundle.add(folder / "ansible_collections", "collections/ansible_collections", filter=of_root)
        for wheel in found:
            bundle.add(wheel, f"wheels/{wheel.name}", filter=of_root)
    told = {
        "version": manifest["collection_info"]["version"],
        "digest": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        "requirements": [line for line in lines if line.strip() and not line.startswith("#")],
        "wheels": [wheel.name for wheel in found],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
