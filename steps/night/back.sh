#!/bin/sh
# $1 a cron file, $2 where it waited. What somebody has put there stays, and what waits is out of the next closing's way.
set -eu
if [ -e "$2" ] && [ -e "$1" ]; then
  mv -fT -- "$2" "$2.undone"
elif [ -e "$2" ]; then
  mv -T -- "$2" "$1"
fi
