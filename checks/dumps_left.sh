#!/bin/sh
# $1 database. Prints files that look like dumps of it; only files of somebody who copies databases are looked at.
find /tmp /var/tmp /root /run/gonogo /var/lib/gonogo /var/lib/postgresql -xdev -maxdepth 2 -type f -size +0 \
  \( -name "*$1*.dump" -o -name "*$1*.sql" -o -name "*$1*.sql.gz" -o -name "gonogo*.dump" \) 2>/dev/null || :
