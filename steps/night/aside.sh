#!/bin/sh
# $1 a cron file, $2 where it waits. Never over one that waits: the first one moved aside is the one to keep; what somebody has put
# in its place since then must not run either.
set -eu
mkdir -p -- "$(dirname -- "$2")"
if [ -e "$1" ] && [ -e "$2" ]; then
  mv -fT -- "$1" "$2.later"
elif [ -e "$1" ]; then
  mv -T -- "$1" "$2"
fi
