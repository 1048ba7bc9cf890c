#!/bin/bash
# Installs pending updates: all of them with apt, those for security with dnf.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
if command -v apt-get >/dev/null; then
  exec apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold --with-new-pkgs upgrade
fi
exec dnf -q -y upgrade --security
