#!/bin/sh
# $1 run marker, $2 mark of the opening, $3 version of PostgreSQL, $4 its data directory. Prints who the host is, a
# line each: machine id, instance id, marker, opened or closed, the system identifier of PostgreSQL. A file that is
# not there gives an empty line.
# shellcheck disable=SC2002 # cat tells of an absent file where nobody hears it; the shell itself would not
line() { printf '%s\n' "$(cat "$1" 2>/dev/null | tr -d '\n')"; }
line /etc/machine-id
line /var/lib/cloud/data/instance-id
line "$1"
test -e "$2" && echo opened || echo closed
/usr/lib/postgresql/"$3"/bin/pg_controldata "$4" 2>/dev/null | sed -n 's/^Database system identifier: *//p'
