#!/bin/sh
# Stands in for systemctl where no systemd runs: starts what a unit in $UNITS says, in the environment it says, and stops it
# as systemd would. Knows the commands of docs/deploy.md; $UNITS/here.sed tells which folders stand for those of the system.
set -eu
for last; do :; done
unit=$UNITS/$last.service
pid=$UNITS/$last.pid
log=$UNITS/$last.log

start() {
  : >"$log"
  variables=$(sed -n 's/^Environment=//p' "$unit" | sed -f "$UNITS/here.sed")
  command=$(sed -n 's/^ExecStart=//p' "$unit" | sed -f "$UNITS/here.sed")
  env -i PATH="$PATH" LOG_FORMAT=json $variables $command >"$log" 2>&1 &
  echo $! >"$pid"
  until grep -q '"listening"' "$log"; do
    kill -0 "$(cat "$pid")" || { cat "$log" >&2; exit 1; }
    sleep 0.1
  done
}

stop() {
  kill -TERM "$(cat "$pid")" 2>/dev/null || return 0
  while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.1; done
}

case $1 in
  enable | start) start ;;
  stop) stop ;;
  restart)
    stop
    start
    ;;
  *)
    echo "not known here: $*" >&2
    exit 2
    ;;
esac
