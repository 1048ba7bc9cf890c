#!/bin/bash
# $1 directory, $2 names in homes, the rest paths. Packs what is there of them, and makes sure that the pack is whole.
set -eu
umask 077
directory=$1 names=$2
shift 2
rm -rf -- "$directory"
mkdir -- "$directory"
put() { if [ -e "$1" ] || [ -L "$1" ]; then printf '%s\0' "${1#/}" >>"$directory/paths"; fi; }
: >"$directory/paths"
for path in /etc/ssh/ssh_host_* "$@"; do put "$path"; done
getent passwd | cut -d: -f6 | sort -u | while read -r home; do
  for name in $names; do put "$home/$name"; done
done
tar -C / --null --files-from="$directory/paths" --acls --xattrs -cpf "$directory/held.tar"
tar -C / --acls --xattrs --compare -f "$directory/held.tar"
