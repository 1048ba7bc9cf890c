#!/bin/bash
# $1 install or remove, the rest packages. dnf itself waits for another dnf. What nobody needs any more is not cleaned
# away: only what the plan lists goes.
set -eu
export LC_ALL=C.UTF-8
action=$1
shift
exec dnf --assumeyes --setopt=install_weak_deps=False --setopt=clean_requirements_on_remove=False "$action" -- "$@"
