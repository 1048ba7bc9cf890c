#!/bin/sh
# $1 database; the rest: our own directories. Prints files there that look like dumps of it. What lies elsewhere may be
# somebody's backup: its name does not prove that it is ours.
name=$(printf '%s\n' "$1" | sed 's/[][*?\\]/\\&/g; s|/|?|g')
shift
find "$@" -xdev -maxdepth 2 -type f -size +0 \
  \( -name "*$name*.dump" -o -name "*$name*.sql" -o -name "*$name*.sql.gz" -o -name "gonogo*.dump" \)
