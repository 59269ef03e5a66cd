#!/usr/bin/env bash
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rewrites tests/requirements/constraints.txt after a change of a direct requirement.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Held back: ansible-core 2.16 to 2.18 require resolvelib < 1.1.
echo resolvelib==1.0.1 >"$folder/held"
# PEP 503: names differ in case and in "-" or "_".
normal() { tr '[:upper:]_' '[:lower:]-'; }
cat core.txt demo.txt pytest.txt checks.txt importer.txt | grep -oE '^[A-Za-z0-9._-]+' | grep -vx attrs | normal >"$folder/direct"
freeze() { # venv, requirements...
    "${PYTHON:-python3}" -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip --quiet install "${@:2}"
    "$folder/$1/bin/python" -m pip freeze | while IFS= read -r pin; do
        name=$(normal <<<"${pin%%==*}")
        grep -qxF "$name" "$folder/direct" "$folder/seen" || echo "$pin"
        echo "$name" >>"$folder/seen"
    done >>"$folder/pins"
}
touch "$folder/seen"
freeze dev -r core.txt -r demo.txt -r pytest.txt -r checks.txt -r "$folder/held"
# What only galaxy-importer needs, which has its own environment.
freeze importer -r importer.txt -c core.txt -c demo.txt -c checks.txt -c <(grep -v '^attrs==' "$folder/pins") -r "$folder/held"
{
    sed -n '/^#/p' constraints.txt
    sort -f "$folder/pins"
} >"$folder/constraints.txt"
cp "$folder/constraints.txt" constraints.txt
