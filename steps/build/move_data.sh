#!/bin/bash
# $1 the link, $2 where the data belongs, $3 the mount, $4 pg_controldata. The server must be stopped. At whatever
# point it was interrupted, the directory at $1 stays the data until the whole copy took its place.
set -eu
link=$1 data=$2 mount=$3 controldata=$4
cluster() { "$controldata" "$1" | sed -n 's/^Database system identifier: *//p'; }
mountpoint -q "$mount" || { echo "$mount is not a mount" >&2; exit 1; }
if [ ! -L "$link" ] && [ -d "$link" ]; then
  [ ! -e "$link/postmaster.pid" ] || { echo "a server still runs in $link" >&2; exit 1; }
  if [ -e "$data" ]; then
    # A copy that never came into use; another cluster's data is not ours to remove.
    [ "$(cluster "$data")" = "$(cluster "$link")" ] || { echo "$data holds another cluster" >&2; exit 1; }
    rm -rf -- "$data"
  fi
  rm -rf -- "$data.unfinished"
  install -d -o postgres -g postgres -m 0755 "$(dirname "$(dirname "$data")")" "$(dirname "$data")"
  cp -a -- "$link" "$data.unfinished"
  sync
  mv -T -- "$data.unfinished" "$data"
  mv -T -- "$link" "$link.moved"
fi
[ -L "$link" ] || ln -s -- "$data" "$link"
chown -h postgres:postgres "$link"
[ "$(readlink -- "$link")" = "$data" ] || { echo "$link points at $(readlink -- "$link")" >&2; exit 1; }
[ -e "$link/PG_VERSION" ] || { echo "$data holds no cluster" >&2; exit 1; }
rm -rf -- "$link.moved"
