#!/bin/bash
# $1 user, $2 the job, $3 its configuration, $4 file for what the test found.
set -eu
umask 077
cd /
runuser -u "$1" -- /usr/bin/python3 "$2" test "$3" >"$4"
