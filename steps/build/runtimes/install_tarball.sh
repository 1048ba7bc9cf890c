#!/bin/bash
# $1 address of the tarball, $2 its SHA-256, $3 directory that keeps it, $4 prefix, $5 mark; the rest is the command
# that installs it. It is fetched under another name until it is whole and its hash is right; nothing of it is
# unpacked before that. The mark is written last: without it all is done again.
set -eu
umask 022
export HOME=/root LC_ALL=C.UTF-8
url=$1 sha256=$2 directory=$3 prefix=$4 mark=$5
shift 5
archive=$directory/$sha256
right() { [ "$({ sha256sum <"$1"; } 2>/dev/null | cut -d' ' -f1)" = "$sha256" ]; }
fetch() {
  curl --fail --silent --show-error --location --proto =https,http --proto-redir =https,http --retry 3 --connect-timeout 20 \
    --speed-limit 1000 --speed-time 60 --max-time 1800 --output "$archive.part" "$@" -- "$url"
}
install -d -o root -g root -m 0755 "$directory"
if ! right "$archive"; then
  # Goes on with what an interrupted fetch left, where the server can do that.
  fetch --continue-at - || { rm -f -- "$archive.part"; fetch; }
  right "$archive.part" || {
    found=$(sha256sum <"$archive.part" | cut -d' ' -f1)
    rm -f -- "$archive.part"
    echo "$url has SHA-256 $found, the plan says $sha256" >&2
    exit 1
  }
  mv -f -- "$archive.part" "$archive"
fi
rm -f -- "$mark"
rm -rf -- "$directory/unpacked"
mkdir -- "$directory/unpacked"
tar -C "$directory/unpacked" --no-same-owner -xf "$archive"
cd -- "$directory/unpacked"
# Most tarballs hold one directory with everything in it.
only=$(find . -mindepth 1 -maxdepth 1)
[ ! -d "$only" ] || cd -- "$only"
"$@"
"$prefix/bin/ruby" -e 'puts "installed: ruby #{RUBY_VERSION}"'
cd /
rm -rf -- "$directory/unpacked"
sync
printf '%s\n' "$sha256" >"$mark"
