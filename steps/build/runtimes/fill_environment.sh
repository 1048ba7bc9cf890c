#!/bin/bash
# $1 directory of the virtual environment, $2 its owner, $3 its group, $4 the shell's words for the interpreter that makes it,
# $5 index, $6 how many distributions follow that are to go; the rest is what is to be there. It is made where it is absent, or
# of an interpreter that is gone.
set -eu
umask 022
export LC_ALL=C.UTF-8 HOME=/root PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1
directory=$1 owner=$2 group=$3 index=$5 going=$6 interpreter=
eval "interpreter=$4"
shift 6
as_owner() { if [ "$owner" = root ]; then "$@"; else runuser -u "$owner" -g "$group" -- "$@"; fi; }
cd /
if ! "$directory/bin/python" -c 'import pip' 2>/dev/null; then
  mkdir -p -- "${directory%/*}"
  install -d -o "$owner" -g "$group" -- "$directory"
  as_owner "$interpreter" -m venv --clear -- "$directory"
fi
gone=("${@:1:going}")
shift "$going"
host=${index#*://} host=${host%%/*} host=${host%%:*}
case $index in http://*) trust=(--trusted-host "$host") ;; *) trust=() ;; esac
# Each at its very version: what they ask for besides is in the list, because production has it.
if [ $# != 0 ]; then
  as_owner "$directory/bin/python" -m pip install --no-deps --force-reinstall --index-url "$index" "${trust[@]}" "$@"
fi
if [ ${#gone[@]} != 0 ]; then as_owner "$directory/bin/python" -m pip uninstall --yes "${gone[@]}"; fi
