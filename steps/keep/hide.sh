#!/bin/bash
# $1 directory of the pack, $2 lock. What was packed goes, its blocks overwritten: an image of a disk holds deleted
# blocks too. Stopping units may have taken so long that the target has taken everything back: without the pack, what
# goes now would be gone for good.
set -eu
cd /
exec 9>"$2"
flock 9
[ -e "$1/held.tar" ] || { echo "the target has taken its keys back already: stopping took too long" >&2; exit 1; }
xargs -0 -r -a "$1/paths" sh -c 'find "$@" -type f -exec shred --iterations=1 --remove=unlink -- {} +; rm -rf -- "$@"' hide
sync
