#!/bin/sh
# Starts a server that others may give another place, in its data folder. What they decide (who is the primary, for a
# sentinel all it has found out) is written to own.conf there, and has to outlive this container: it begins as the line
# that is given first, and is the server's own from then on. The options after that are read anew at each start, and
# count more than what own.conf says.
set -eu
umask 077                                            # sentinels and replicas write passwords to it
[ -s own.conf ] || printf '%s\n' "$1" > own.conf
shift
exec docker-entrypoint.sh valkey-server "$PWD/own.conf" "$@"
