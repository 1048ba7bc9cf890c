#!/bin/sh
# $1 device. Prints why it is in use, or what else it is; nothing for a whole disk that nobody uses.
set -eu
number=$(printf '%d:%d' 0x"$(stat -L -c %t "$1")" 0x"$(stat -L -c %T "$1")")
disk=$(readlink -f "/sys/dev/block/$number")
[ ! -e "$disk/partition" ] || echo "it is a partition"
for part in "$disk"/*/partition; do [ ! -e "$part" ] || { echo "it has partitions"; break; }; done
[ -z "$(ls -A "$disk/holders" 2>/dev/null)" ] || echo "another device is built on it"
awk -v d="$1" '$1 == d { print "it is swap" }' /proc/swaps
root=$(findmnt --noheadings --output MAJ:MIN / | tr -d ' ')
case "$(readlink -f "/sys/dev/block/$root" || true)/" in "$disk"/*) echo "it holds the root file system" ;; esac
for link in /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_*; do
  [ "$(readlink -f "$link")" != "$1" ] || { echo "it is an EBS volume"; break; }
done
