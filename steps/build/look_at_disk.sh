#!/bin/sh
# $1 device. Prints its size in bytes, where it is mounted (- for nowhere), and the signatures on it: anything is one,
# a partition table too.
set -eu
blockdev --getsize64 "$1"
number=$(printf '%d:%d' 0x"$(stat -L -c %t "$1")" 0x"$(stat -L -c %T "$1")")
findmnt --noheadings --first-only --output TARGET --source "$number" || echo -
wipefs --no-act --noheadings --output UUID,TYPE "$1" | tr '\n' ' '
