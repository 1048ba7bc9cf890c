#!/bin/bash
# $1 the release, $2 the owner of its modules, $3 their group, $4 the directory of Node where it is not on the PATH, $5 index; the
# rest are words for npm. What the lock names is installed anew, whole; scripts of packages run, for native code is built by them.
set -eu
umask 022
release=$1 owner=$2 group=$3 prefix=$4 index=$5
shift 5
export LC_ALL=C.UTF-8 PATH="${prefix:+$prefix/bin:}$PATH"
modules=$release/node_modules
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
export HOME=$work npm_config_cache=$work/cache npm_config_nodedir="${npm_config_nodedir:-$prefix}"
[ -n "$npm_config_nodedir" ] || unset npm_config_nodedir
install -d -o "$owner" -g "$group" -- "$modules"
chown "$owner:$group" -- "$work"
cd -- "$release"
as_owner() { if [ "$owner" = root ]; then "$@"; else runuser -u "$owner" -g "$group" -- "$@"; fi; }
as_owner npm ci --registry "$index" --no-audit --no-fund --no-update-notifier "$@"
