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

# Held back: ansible-core 2.17 and 2.18 require resolvelib < 1.1.
held=resolvelib==1.0.1
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install -r core.txt -r demo.txt -r pytest.txt -r checks.txt "$held"
# PEP 503: names differ in case and in "-" or "_".
normal() { tr '[:upper:]_' '[:lower:]-'; }
cat core.txt demo.txt pytest.txt checks.txt | grep -oE '^[A-Za-z0-9._-]+' | normal >"$folder/direct"
{
    sed -n '/^#/p' constraints.txt
    "$folder/venv/bin/python" -m pip freeze | while IFS= read -r pin; do
        grep -qxF "$(normal <<<"${pin%%==*}")" "$folder/direct" || echo "$pin"
    done
} >"$folder/constraints.txt"
cp "$folder/constraints.txt" constraints.txt
