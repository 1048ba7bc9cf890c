#!/bin/bash
# $1 directory, $2 port of the server, $3 the words of a connection to the database, the rest directories of uploads. Saves the database and a list of the
# uploads there: whole or not at all, for root alone.
set -euo pipefail
umask 077
directory=$1 port=$2 database=$3
shift 3
mkdir -p -- "$directory"
cd -- "$directory"
(cd / && runuser -u postgres -- pg_dump --port="$port" --format=custom "$database") >database.part
{ [ $# = 0 ] || find "$@" -printf '%y %m %u %g %s %T+ %p\n'; } | LC_ALL=C sort -k 7 >uploads.part
sync database.part uploads.part
mv -f database.part database.dump
mv -f uploads.part uploads.list
