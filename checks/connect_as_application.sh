#!/bin/sh
# $1 application's user, $2 environment file, the rest for perl. Other systems stand there as NAME_HOST and NAME_PORT.
# shellcheck disable=SC2086 # several words are meant
user=$(id -un -- "$1" 2>/dev/null || echo nobody) file=$2
shift 2
others=$(sed -n 's/^\([A-Z_]*\)_HOST=\(.*\)/\1 \2/p' "$file" 2>/dev/null | while read -r name host; do
  port=$(sed -n "s/^${name}_PORT=//p" "$file")
  case $host in 127.* | localhost | ::1 | /*) ;; *) [ -n "$port" ] && echo "$host $port" ;; esac
done)
runuser -u "$user" -- perl -e "$@" $others
