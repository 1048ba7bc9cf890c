#!/bin/sh
# Fails, with the server's words, when pg_hba.conf as it stands on disk holds a wrong line.
query="SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL"
wrong=$(runuser -u postgres -- psql -XAtqc "$query" postgres) || exit 1
[ -z "$wrong" ] || { echo "$wrong" >&2; exit 1; }
