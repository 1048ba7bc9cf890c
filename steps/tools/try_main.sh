#!/bin/bash
# Runs in a mount namespace of its own. $1 nginx's main file, $2 its program, $3 its prefix, $4 its pid file, the rest: directories of
# its logs. Has nginx test the standard input in the main file's place; that file, the logs and the pid file are others here alone.
set -eu
main=$1 program=$2 prefix=$3 pid=$4
shift 4
mount -t tmpfs none /dev/shm
cat >/dev/shm/main
for place in "$@"; do
  mkdir -p -- "$place" 2>/dev/null || [ -d "$place" ] || continue
  mount -t tmpfs none "$place"
done
: >/dev/shm/pid
[ ! -e "$pid" ] || mount --bind /dev/shm/pid "$(readlink -e -- "$pid")"
mount --bind /dev/shm/main "$(readlink -e -- "$main")"
exec "$program" -t -q -p "$prefix" -c "$main"
