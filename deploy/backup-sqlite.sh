#!/bin/sh
# Copies a SQLite store, also while its server runs: backup-sqlite.sh DATABASE NEW-FOLDER (Linux)
#
# The server is stopped (SIGSTOP) for as long as the copy takes, so that the database and its write-ahead log are of one
# moment: the copy is what a power cut at that moment would have left, and opens like it. Callers wait meanwhile. On a
# file system that clones files (btrfs, xfs) that is no time at all, elsewhere it is the time to read and write the file.
set -eu
[ $# = 2 ] || { echo "usage: $0 DATABASE NEW-FOLDER" >&2; exit 2; }
database=$(realpath -e "$1")
mkdir "$2"
folder=$(realpath "$2")

holder=$(find /proc/[0-9]*/fd -lname "$database" 2>/dev/null | cut -d/ -f3 | sort -u)
[ "$(echo "$holder" | wc -w)" -le 1 ] || { echo "$database is open in several processes: $holder" >&2; exit 1; }
if [ -z "$holder" ] && [ -e "$database-wal" ]; then
  echo "$database was not closed, or its server is not visible: run this as the server's user or as root" >&2
  exit 1
fi
if [ -n "$holder" ]; then
  trap 'kill -CONT "$holder"' EXIT
  kill -STOP "$holder"
  # A thread that waits for the disk stops when it is back.
  while grep -h '^State:' "/proc/$holder"/task/*/status | grep -qv 'T (stopped)'; do sleep 0.01; done
fi
for file in "$database" "$database-wal"; do
  if [ -e "$file" ]; then cp --reflink=auto "$file" "$folder"; fi
done
if [ -n "$holder" ]; then
  trap - EXIT
  kill -CONT "$holder"
fi
sync "$folder"/* "$folder"
echo "$folder/$(basename "$database")"
