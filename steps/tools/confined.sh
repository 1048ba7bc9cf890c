#!/bin/bash
# $1 directory, $2 the home of the application; the rest is a command, and all of it in a mount namespace of its own. The
# command runs in the directory, which is the only thing on this host that it can write, and without those of root's powers
# that have nothing to do with owners and modes. A link that others than root can make leads nowhere but into the home.
# Exit code 9: something else stayed writable.
set -eu
directory=${1%/} home=${2%/}
shift 2
cd -P -- "$directory"
here=$(pwd -P)
only_roots() { [ "$(stat -c %u -- "$1")" = 0 ] && [ $((0$(stat -c %a -- "$1") & 022)) = 0 ]; }
real='' rest=${directory#/} links=0
while [ -n "$rest" ]; do
  name=${rest%%/*} rest=${rest#"${rest%%/*}"} rest=${rest#/}
  case $name in
    '' | .) continue ;;
    ..) real=${real%/*} && continue ;;
  esac
  if [ -L "$real/$name" ] && [ $((links += 1)) -le 40 ] && only_roots "$real/"; then
    link=$(readlink -- "$real/$name")
    case $link in /*) real='' ;; esac
    rest=$link/$rest
  else
    real=$real/$name
  fi
done
case "$here/" in
  "$real/" | "$home"/*) ;;
  *)
    echo "$directory leads to $here by a link that others than root can make: name that directory in the plan" >&2
    exit 1
    ;;
esac
# By what it is, not by its name: nobody can lead it elsewhere any more.
mount -n --no-canonicalize --rbind . /mnt
perl -e 'exit(syscall(442, -100, my $all = "/", 0x8000, my $read_only = pack("Q4", 1, 0, 0, 0), 32) != 0)' 2>/dev/null ||
  while read -r _ _ _ _ point _; do
    printf -v point %b "$point"
    mount -n -o remount,bind,ro "$point" || :
  done </proc/self/mountinfo 2>/dev/null
while read -r _ _ _ _ point _; do
  printf -v point %b "$point"
  case "$point/" in
    /mnt/*) mount -n -o remount,bind,rw "$point" 2>/dev/null || : ;; # it may be one that lies hidden below
    *) if { [ -d "$point" ] || [ -f "$point" ]; } && [ -w "$point" ]; then exit 9; fi ;;
  esac
done </proc/self/mountinfo
cd /mnt
exec setpriv --bounding-set=-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid -- "$@"
