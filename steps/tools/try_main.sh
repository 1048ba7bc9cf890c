#!/bin/bash
# Runs in a mount namespace of its own. $1 nginx's main file, $2 its program, $3 its prefix, $4 its pid file, the rest: its logs. Has
# nginx test the standard input in the main file's place; that file, the logs and the pid file are others here alone.
set -eu
main=$1 program=$2 prefix=$3 pid=$4
shift 4
mount -t tmpfs none /dev/shm
cat >/dev/shm/main
: >/dev/shm/empty
# nginx makes a log that is not there, and so it does here where it can: in a directory of its own.
for log in "$@"; do
  if [ ! -e "$log" ] && [ -d "${log%/*}" ]; then
    mount -t tmpfs none "${log%/*}"
  fi
done
for file in "$pid" "$@"; do
  [ ! -f "$file" ] || mount --bind /dev/shm/empty "$(readlink -e -- "$file")"
done
mount --bind /dev/shm/main "$(readlink -e -- "$main")"
exec "$program" -t -q -p "$prefix" -c "$main"
