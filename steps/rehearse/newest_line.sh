#!/bin/sh
# $1 a unit. Prints the newest line that its own processes wrote to the journal, else systemd's about it.
line=$(journalctl -q -o cat -n 1 "_SYSTEMD_UNIT=$1")
[ -n "$line" ] || line=$(journalctl -q -o cat -n 1 -u "$1")
printf '%s\n' "$line"
