#!/bin/sh
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Prints the first Python of the host that is new enough, as JSON, or nothing.
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    "$candidate" - 2>/dev/null <<'PY' && exit
import importlib.util, json, os, shutil, sys
if sys.version_info < (3, 10):
    sys.exit(1)
print(json.dumps({
    "executable": os.path.realpath(sys.executable),
    "version": "%d.%d" % sys.version_info[:2],
    "venv": importlib.util.find_spec("ensurepip") is not None,
    "apt": shutil.which("apt-get") is not None,
}))
PY
done
exit 0
