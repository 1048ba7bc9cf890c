#!/bin/sh
# $1 the mount, which /etc/fstab lists.
set -eu
systemctl daemon-reload
mkdir -p -- "$1"
[ -z "$(ls -A -- "$1")" ] || { echo "$1 is not empty; a mount would hide what lies there" >&2; exit 1; }
mount -- "$1"
