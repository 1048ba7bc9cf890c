#!/bin/sh
# $1 what the plan calls the device. Prints the kernel's names of what may be meant: on Nitro instances the model
# tells an instance store.
set -eu
for link in /dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_*; do
  case $link in *-part*) continue ;; esac
  [ ! -b "$link" ] || readlink -f "$link"
done | sort -u
[ ! -b "$1" ] || readlink -f "$1"
