#!/bin/sh
# $1 page, $2 the mark of our notices, $3 where it goes. Prints the page that was moved. A back-out deletes nothing,
# and moves nothing that is not ours.
set -eu
grep -qF -- "$2" "$1" 2>/dev/null || exit 0
install -d -m 0700 -- "$(dirname -- "$3")"
mv -fT -- "$1" "$3"
echo "$1"
