#!/usr/bin/env bash
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Creates a virtual environment with a given ansible-core for unit and module tests:
#   tests/tools/core_venv.sh FOLDER PYTHON ANSIBLE-CORE-VERSION CONSTRAINTS.txt REQUIREMENTS.txt...
set -euo pipefail
folder=${1:?} python=${2:?} core=${3:?} constraints=${4:?}
shift 4
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"

wanted="$python $core $(cat "$constraints" "$@" | cksum)"
if [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$wanted" ] && "$folder/bin/python" -c '' 2>/dev/null; then exit; fi
options=()
for file in "$@"; do options+=(-r "$file"); done
rm -rf "$folder"
mkdir -p "${folder%/*}"
# --without-pip, because Debian's Python may not include pip. The pip of the calling environment installs the packages.
"$python" -m venv --without-pip "$folder"
python -m pip --python "$folder/bin/python" --disable-pip-version-check --quiet install \
    "ansible-core==$core" "${options[@]}" -c "$constraints"
echo "$wanted" >"$folder/.stamp"
