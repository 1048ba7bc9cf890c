#!/bin/sh
# $1 a file. Prints what keeps it from being replaced, nothing where nothing does.
file=$(readlink -e -- "$1") || { echo "there is no such file"; exit 0; }
for place in "$file" "$(dirname -- "$file")"; do
  [ -w "$place" ] || echo "$place cannot be written: its file system is read-only, or it is made immutable"
done
! mountpoint -q -- "$file" || echo "$file is mounted by itself"
