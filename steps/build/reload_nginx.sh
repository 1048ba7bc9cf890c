#!/bin/sh
# Has nginx read its configuration anew, or starts it, and waits until no worker of before takes requests any more: the signal is
# heard a moment after `systemctl reload` has returned.
set -eu
workers() { pgrep -P "$(systemctl show --property=MainPID --value nginx.service)" -f 'worker process$' || true; }
old=$(workers)
systemctl reload-or-restart nginx.service
for _ in $(seq 100); do
  now=" $(workers | tr '\n' ' ')"
  left=
  for worker in $old; do case "$now" in *" $worker "*) left=yes ;; esac; done
  [ -n "$left" ] || exit 0
  sleep 0.1
done
echo "nginx still runs with its configuration of before" >&2
exit 1
