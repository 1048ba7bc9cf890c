#!/bin/sh
# $1 a file, $2 a mountinfo file (that of the host's first process where it is left out). Prints what keeps the file from being
# replaced, a line each, as far as that can be seen without writing.
file=$(readlink -e -- "$1") || { echo "there is no such file"; exit 0; }
for place in "$file" "$(dirname -- "$file")"; do
  case $(lsattr -d -- "$place" 2>/dev/null | cut -d ' ' -f 1) in
    *i*) echo "$place is made immutable (chattr +i)" ;;
    *a*) echo "$place can only be appended to (chattr +a)" ;;
  esac
done
# As the host itself has it mounted: what asks may see all of it read-only.
awk -v file="$file" '
  { place = $5; gsub(/\\040/, " ", place) }
  place == file { own = 1 }
  place == "/" || place == file || index(file, place "/") == 1 {
    if (length(place) >= length(found)) { found = place; options = $6 "," $NF }
  }
  END {
    if (own) print file " is mounted by itself"
    if ("," options "," ~ /,ro,/) print found " is mounted read-only"
  }' "${2:-/proc/1/mountinfo}"
