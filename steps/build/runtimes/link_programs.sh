#!/bin/sh
# $1 prefix. Links its programs into /usr/bin, because cron, units and sudo do not ask login shells for a PATH. A name
# that something else has is left alone.
set -eu
[ "$1" != /usr ] || exit 0
for program in "$1"/bin/*; do
  [ -f "$program" ] || continue
  [ -x "$program" ] || continue
  link=/usr/bin/${program##*/}
  [ -e "$link" ] || [ -L "$link" ] || ln -s -- "$program" "$link"
done
