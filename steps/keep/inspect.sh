#!/bin/bash
# $1 our key in base64, $2 the data mount, $3 the id of the instance that the image was made of, $4 the flag of the
# quarantine, $5 table of the egress filter, $6 "yes" where secrets may be there; then, each group ended by "--":
# secret files, workers, cron files. Prints a line for each thing that no image may hold.
key=$1 mount=$2 instance=$3 flag=$4 table=$5 secrets=$6
shift 6
getent passwd | cut -d: -f6 | sort -u | while read -r home; do
  for file in "$home"/.ssh/authorized_keys*; do
    [ -f "$file" ] && grep -v '^[[:space:]]*\(#\|$\)' "$file" | grep -qvF "$key" && echo "a foreign authorized key in $file"
  done
  for file in "$home"/.ssh/*; do
    [ -f "$file" ] && grep -qE 'BEGIN [A-Z ]*PRIVATE KEY' "$file" && echo "a private key in $file"
  done
  for name in .aws .boto .s3cfg .netrc; do [ -e "$home/$name" ] && echo "credentials in $home/$name"; done
  for name in .bash_history .sh_history .psql_history .irb_history; do
    [ -s "$home/$name" ] && echo "somebody's history in $home/$name"
  done
  case $home in /root | /home/*)
    find "$home" -xdev -maxdepth 3 -type f -size -256k -exec grep -lE '\b(AKIA|ASIA)[A-Z0-9]{16}\b' {} + 2>/dev/null ;;
  esac | sed 's/^/an AWS key in /'
done
grep -rlIE '\b(AKIA|ASIA)[A-Z0-9]{16}\b|aws_secret_access_key' -i /etc 2>/dev/null | sed 's/^/an AWS key in /'
for file in /etc/ssh/*; do
  case $file in /etc/ssh/ssh_host_*) continue ;; esac
  [ -f "$file" ] && grep -qE 'BEGIN [A-Z ]*PRIVATE KEY' "$file" && echo "a private key in $file"
done
[ -e "/var/lib/cloud/instances/$instance" ] && echo "cloud-init's data of $instance"
mountpoint -q -- "$mount" && echo "a file system at $mount"
[ -n "$(ls -A -- "$mount" 2>/dev/null)" ] && echo "files below $mount"
while [ "$1" != -- ]; do [ "$secrets" = no ] && [ -e "$1" ] && echo "the secrets in $1"; shift; done; shift
[ -e "$flag" ] || echo "no quarantine: $flag is absent"
nft list table inet "$table" >/dev/null 2>&1 || echo "no quarantine: no egress filter"
while [ "$1" != -- ]; do systemctl is-active --quiet -- "$1" && echo "the worker $1, running"; shift; done; shift
while [ "$1" != -- ]; do [ -e "$1" ] && echo "the cron file $1, in place"; shift; done
true
