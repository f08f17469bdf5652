#!/bin/sh
# Copies a SQLite store, also while its server runs: backup-sqlite.sh DATABASE NEW-FOLDER (Linux)
#
# The server is stopped (SIGSTOP) for as long as the copy takes, so that the database and its write-ahead log are of one
# moment: the copy is what a power cut at that moment would have left, and opens like it. Callers wait meanwhile. On a
# file system that clones files (btrfs, xfs) that is no time at all, elsewhere it is the time to read and write the file.
#
# However the copy ends, the server goes on; a copy that is cut short is removed. Only SIGKILL leaves both as they are:
# kill -CONT lets the server go on then.
set -eu
[ $# = 2 ] || { echo "usage: $0 DATABASE NEW-FOLDER" >&2; exit 2; }
database=$(realpath -e -- "$1")
made=
holder=
copy=

go_on() { [ -z "$holder" ] || kill -CONT "$holder" 2>/dev/null || :; }
remove() {
  [ -z "$copy" ] || kill "$copy" 2>/dev/null || :
  wait
  [ -z "$made" ] || rm -rf -- "$made"
}
# For a signal without a trap dash does not run that of EXIT. A second signal must not end what the first one began.
trap 'go_on; remove' EXIT
trap 'trap "" INT TERM HUP; exit 130' INT
trap 'trap "" INT TERM HUP; exit 143' TERM
trap 'trap "" INT TERM HUP; exit 129' HUP

mkdir -- "$2"
made=$2
folder=$(realpath -- "$2")
# -lname takes a pattern.
pattern=$(printf '%s' "$database" | sed 's/[][*?\\]/\\&/g')
holders=$(find /proc/[0-9]*/fd -lname "$pattern" 2>/dev/null | cut -d/ -f3 | sort -u)
[ "$(echo "$holders" | wc -w)" -le 1 ] || { echo "$database is open in several processes: $holders" >&2; exit 1; }
if [ -z "$holders" ] && [ -e "$database-wal" ]; then
  echo "$database was not closed, or its server is not visible: run this as the server's user or as root" >&2
  exit 1
fi
holder=$holders
if [ -n "$holder" ]; then
  kill -STOP "$holder"
  # A thread that waits for the disk stops when it is back.
  while grep -h '^State:' "/proc/$holder"/task/*/status | grep -qv 'T (stopped)'; do sleep 0.01; done
fi
for file in "$database" "$database-wal"; do
  [ -e "$file" ] || continue
  # A signal ends a wait at once, but is heard only behind a command in the foreground.
  cp --reflink=auto "$file" "$folder" &
  copy=$!
  wait "$copy"
done
go_on
sync "$folder"/* "$folder"
trap - INT TERM HUP EXIT
echo "$folder/$(basename "$database")"
