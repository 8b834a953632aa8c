#!/bin/sh
# Starts a server that others may give another place, in its data folder. What they decide (who is the primary; for a
# sentinel, all that it has found out) is written to own.conf there, and has to outlive this container: it begins as the
# line that is given first, and is the server's own from then on. The options after that are read anew at each start, and
# count more than what own.conf says.
set -eu
umask 077                                            # sentinels and replicas write passwords to it
[ -s own.conf ] || printf '%s\n' "$1" > own.conf
shift

# A primary that was killed (then its own.pid is still there) may have less in its file than a replica has in memory, up
# to two seconds. Were it back at once, it would be the primary still, and the replica would be made like it. So it stays
# away until it has been replaced.
was_primary() { if [ -e nodes.conf ]; then grep -q myself,master nodes.conf; else ! grep -q '^replicaof' own.conf; fi; }
if [ -e own.pid ] && was_primary; then
    echo 'start.sh: this primary was killed; 10 s for a replica to take its place'
    sleep 10
fi
exec docker-entrypoint.sh valkey-server "$PWD/own.conf" "$@"
