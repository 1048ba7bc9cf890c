#!/bin/bash
# $1 install or remove, the rest packages.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
action=$1
shift
apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold)
# What an interrupted installation left is put right first.
dpkg --force-unsafe-io --force-confold --configure -a
# What nobody needs any more stays too: only what the plan lists goes.
if [ "$action" = remove ]; then exec "${apt[@]}" remove --yes --no-auto-remove -- "$@"; fi
# The lists have no lock one can wait for, so try again.
for try in 1 2 3 4 5; do
  if "${apt[@]}" update -o APT::Update::Error-Mode=any; then break; fi
  [ "$try" != 5 ] || exit 1
  sleep 3
done
exec "${apt[@]}" install --yes --no-install-recommends -- "$@"
