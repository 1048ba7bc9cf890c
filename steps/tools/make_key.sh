#!/bin/sh
# $1 directory of the key, $2 its comment, $3 the directory of all keys; known_hosts on standard input. Prints the public
# key. A key that an interrupted copy still uses is kept.
set -eu
umask 077
install -d -m 0711 "${3%/*}"
install -d -m 0700 "$3" "$1"
ssh-keygen -y -P '' -f "$1/key" >/dev/null 2>&1 || {
  rm -f -- "$1/key" "$1/key.pub"
  ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1/key"
}
cat >"$1/known_hosts"
cat "$1/key.pub"
