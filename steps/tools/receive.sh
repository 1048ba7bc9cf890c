#!/bin/bash
# $1 what the source's rsync asked for. Runs the receiving end of a push into the directory where it is begun, if it was
# asked for nothing beside what our own pushes ask for. What comes is the source's word: of extended attributes only those
# of users are taken, no file gets a setuid or setgid bit, and a device, a fifo or a socket is none that rsync would make.
set -eu
form='^rsync --server (-[nlHogtpAXrS]+e[0-9]*\.[A-Za-z]*)(( --(delete-delay|log-format=%i|(timeout|max-delete)=[0-9]+))*) \. /$'
if ! [[ $1 =~ $form ]]; then
  echo "refused: $1" >&2
  exit 1
fi
set -f # a here-string would need a temporary file, and nothing else can be written here
# shellcheck disable=SC2206 # it is to be divided at its spaces
more=(${BASH_REMATCH[2]})
exec rsync --server "${BASH_REMATCH[1]}" ${more[@]+"${more[@]}"} --chmod=Fug-s --filter='-x! user.*' . ./
