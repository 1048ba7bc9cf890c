#!/bin/bash
# $1 "close" or "open", $2 nginx's main file, $3 where it is kept meanwhile, $4 the first line of a file of ours, $5 nginx's master
# (empty: none runs), $6 its program (empty: replaced since it started), $7 its prefix. To close: $8 the size of our main file, which
# is the standard input.
# Puts ours, or what is kept, in the file's place by one rename, has nginx read it, and waits until no worker of before takes requests
# any more; where nginx does not take ours, it is as it was. Done again, it finishes what was broken off.
set -eu
what=$1 main=$(readlink -m -- "$2") kept=$3 mark=$4 master=$5 program=$6 prefix=$7
directory=$(dirname -- "$main")
tmp=
trap '[ -z "$tmp" ] || rm -f -- "$tmp"' EXIT

# One that is gone is nobody's: what is kept belongs there.
is_ours() { [ ! -e "$main" ] || [ "$(head -n 1 -- "$main")" = "$mark" ]; }
# Older pgreps show what nginx leaves free behind a title as blanks.
workers() { pgrep -P "$master" -f 'worker process *$' || true; }
reload() { # the signal is heard a moment after it was sent
  [ -z "$program" ] || "$program" -t -q -p "$prefix" -c "$given" || return
  local old now left worker
  old=$(workers)
  kill -HUP "$master"
  for _ in $(seq 300); do
    now=" $(workers | tr '\n' ' ')" left=
    for worker in $old; do case $now in *" $worker "*) left=yes ;; esac; done
    [ -n "$left" ] || return 0
    sleep 0.1
  done
  echo "nginx still works by its configuration of before, after 30 seconds: see its error log" >&2
  return 1
}
# Over the main file, whole or not at all, with the owner and mode of before; a hidden file is included by nobody.
put() {
  sync -- "$tmp"
  mv -fT -- "$tmp" "$main"
  tmp=
}
put_back() {
  tmp=$(mktemp -- "$directory/.nginx.gonogo.XXXXXX")
  cp -pT -- "$kept" "$tmp"
  put
}

given=$2
case $what in
close)
  # What lies there is kept anew unless it is ours: somebody may have changed it since an attempt that was undone.
  if ! is_ours; then
    mkdir -p -- "$(dirname -- "$kept")"
    tmp=$(mktemp -- "$kept.XXXXXX")
    cp -pT -- "$main" "$tmp"
    sync -- "$tmp"
    mv -fT -- "$tmp" "$kept"
  fi
  [ -e "$kept" ] || { echo "$main is closed already, and what it was before is not at $kept" >&2; exit 1; }
  tmp=$(mktemp -- "$directory/.nginx.gonogo.XXXXXX")
  cp -pT -- "$kept" "$tmp"
  # It holds whole sites, whose files may be for root alone, as whom the master reads it.
  chmod go= -- "$tmp"
  cat >"$tmp"
  [ "$(stat -c %s -- "$tmp")" = "$8" ] || { echo "the upload broke off" >&2; exit 1; }
  put
  if ! reload; then
    put_back
    reload || echo "the file of before is back, and nginx does not take it" >&2
    exit 1
  fi
  ;;
open)
  if is_ours; then
    [ -e "$kept" ] || { echo "$main is ours, and what it was before is not at $kept" >&2; exit 1; }
    put_back
  fi
  # Without it nothing of ours was ever read.
  if [ -e "$kept" ]; then
    if [ -n "$master" ]; then reload; fi
    mv -fT -- "$kept" "$kept.undone"
  fi
  ;;
esac
