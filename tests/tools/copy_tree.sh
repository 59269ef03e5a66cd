#!/usr/bin/env bash
# Copyright: (c) 2026, nec.expether contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Copies the checkout to NAME/ansible_collections/nec/expether below .ansible/tree, for ansible-test, which requires
# this path, refuses links, and lists the files with git. Prints the path of the copy.
#   tests/tools/copy_tree.sh NAME
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
copy=$root/.ansible/tree/${1:?usage: copy_tree.sh NAME}/ansible_collections/nec/expether

rm -rf "$root/.ansible/tree/$1"
mkdir -p "$copy"
cd "$root"
# Tracked and untracked files that git does not ignore. Removed files that git still tracks are skipped.
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar --null --files-from=- -cf - | tar -C "$copy" --no-same-owner -xf -
git -C "$copy" init --quiet
git -C "$copy" add --all
echo "$copy"
