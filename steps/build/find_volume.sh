#!/bin/sh
# $1 what the plan calls the device, $2 the id of the volume. Prints the kernel's name of it: on Nitro instances that
# is another one, and the serial number of the volume tells.
set -eu
link=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_$(printf %s "$2" | tr -d -)
[ -b "$link" ] && readlink -f "$link" && exit 0
[ -b "$1" ] && readlink -f "$1"
