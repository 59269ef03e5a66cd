# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs an installed collection and a folder of wheels for the host, and describes them. Runs on the controller.

pack.py FOLDER WHEELS    packs FOLDER/ansible_collections and all wheels, if any, into FOLDER/bundle.tar
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from pathlib import Path


def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Let root own the files on the host, because the user of the controller may not exist there, and let the service read them."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def main(folder: Path, wheels: str) -> None:
    """Pack, and print the collection's version and digest, its requirements for pip, and the names of the wheels."""
    collection = folder / "ansible_collections" / "nec" / "expether"
    if not collection.is_dir():
        sys.exit("This is not the collection nec.expether.")
    # A digest of the files, because the tarball contains timestamps.
    files = json.loads((collection / "FILES.json").read_text(encoding="utf-8"))["files"]
    content = sorted((entry["name"], entry["chksum_sha256"] or "") for entry in files)
    manifest = json.loads((collection / "MANIFEST.json").read_text(encoding="utf-8"))
    lines = (collection / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = sorted(Path(wheels).glob("*.whl")) if wheels else []
    if wheels and not found:
        sys.exit(f"{wheels} contains no wheels.")
    with tarfile.open(folder / "bundle.tar", "w") as bundle:
        bundle.add(folder / "ansible_collections", "collections/ansible_collections", filter=of_root)
        for wheel in found:
            bundle.add(wheel, f"wheels/{wheel.name}", filter=of_root)
    description = {
        "version": manifest["collection_info"]["version"],
        "digest": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        "requirements": [line for line in lines if line.strip() and not line.startswith("#")],
        "wheels": [wheel.name for wheel in found],
    }
    print(json.dumps(description))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
