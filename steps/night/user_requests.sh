#!/bin/sh
# $1 access log, $2 bytes that it held before, $3 what to print of the requests since then: their "count", or the
# "clients" that sent most of them. A log that is shorter now was rotated: all of it is new. Requests of gonogo itself
# are left out.
size=$(stat -c %s -- "$1" 2>/dev/null || echo 0)
from=1; [ "$size" -lt "$2" ] || from=$(($2 + 1))
{ [ "$size" -eq 0 ] || tail -c "+$from" -- "$1" | grep -v ' gonogo"'; } |
  case $3 in
    count) wc -l ;;
    clients) awk '{ print $1 }' | sort | uniq -c | sort -rn | head -n 5 | awk '{ print $2 }' ;;
  esac
