#!/bin/sh
# Prints the last line of the log $1 of a server, else of the journal of its unit $2; nothing where there is neither.
if [ -s "$1" ]; then
  tail -n 1 -- "$1"
else
  journalctl --output=cat --no-pager --quiet --lines=1 --unit="$2" || true
fi
