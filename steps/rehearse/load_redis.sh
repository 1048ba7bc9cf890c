#!/bin/sh
# $1 unit, $2 its directory, $3 its file, $4 the arrived data ("" for none), $5 what holds its append-only data there.
# It is stopped first: Redis writes what it holds when it ends. Without a name the whole directory would go.
set -eu
: "${3:?dbfilename is empty}" "${5:?neither appenddirname nor appendfilename is known}"
systemctl stop -- "$1"
owner=$(stat -c %U:%G -- "$2")
rm -rf -- "${2:?}/$3" "${2:?}/$5"
if [ -n "$4" ]; then
  install -o "${owner%:*}" -g "${owner#*:}" -m 0640 -- "$4" "$2/$3"
  rm -f -- "$4"
fi
systemctl start -- "$1"
