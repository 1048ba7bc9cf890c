#!/bin/sh
# $1 user, $2 uid, $3 group, $4 gid, $5 home, $6 shell; the rest: further groups. Numbers are kept where they are
# free.
set -eu
user=$1 uid=$2 group=$3 gid=$4 home=$5 shell=$6
shift 6
if ! getent group "$group" >/dev/null; then
  if getent group "$gid" >/dev/null; then groupadd "$group"; else groupadd --gid "$gid" "$group"; fi
fi
if ! getent passwd "$user" >/dev/null; then
  if getent passwd "$uid" >/dev/null; then uid=; fi
  useradd ${uid:+--uid "$uid"} --gid "$group" --home-dir "$home" --no-create-home --shell "$shell" "$user"
fi
for further in "$@"; do
  getent group "$further" >/dev/null || groupadd --system "$further"
  usermod --append --groups "$further" "$user"
done
