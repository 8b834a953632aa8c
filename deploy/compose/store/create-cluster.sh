#!/bin/sh
# Makes one cluster of six empty servers: the first three addresses become primaries, the others their replicas, in this
# order. Where there is a cluster it changes nothing, and one that was half made is made whole.
#   create-cluster.sh ADDRESS ADDRESS ADDRESS ADDRESS ADDRESS ADDRESS        the operator's password is in REDISCLI_AUTH
set -eu
[ $# = 6 ] || { echo 'create-cluster.sh: six addresses are needed' >&2; exit 2; }

ask() { # ADDRESS COMMAND…
    at=$1
    shift
    valkey-cli -e --tls --cacert /run/store/ca.pem --user operator --no-auth-warning -h "$at" -p 6379 cluster "$@"
}
says() { ask "$1" info | tr -d '\r' | grep -qx "$2"; }
until_all() { # FACT ADDRESS…
    fact=$1
    shift
    for server in "$@"; do
        tries=0
        until says "$server" "$fact"; do
            tries=$((tries + 1))
            [ $tries -lt 300 ] || { echo "create-cluster.sh: $server never says $fact" >&2; exit 1; }
            sleep 0.2
        done
    done
}
take() { # ADDRESS EPOCH FIRST LAST: slots; distinct epochs, so that no two primaries have to settle it
    if says "$1" cluster_known_nodes:1 && says "$1" cluster_slots_assigned:0; then
        ask "$1" set-config-epoch "$2"
        ask "$1" addslotsrange "$3" "$4"
    fi
}
follow() { # ADDRESS PRIMARY
    if ask "$1" nodes | grep -q myself,master; then
        ask "$1" replicate "$(ask "$2" myid | tr -d '"')"
    fi
}

if says "$1" cluster_state:ok && says "$1" cluster_known_nodes:6 && says "$1" cluster_size:3; then
    echo 'there is a cluster already'
    exit 0
fi
take "$1" 1 0 5460
take "$2" 2 5461 10922
take "$3" 3 10923 16383
for other in "$2" "$3" "$4" "$5" "$6"; do ask "$1" meet "$other" 6379; done
until_all cluster_known_nodes:6 "$@"
until_all cluster_slots_assigned:16384 "$@"
follow "$4" "$1"
follow "$5" "$2"
follow "$6" "$3"
until_all cluster_state:ok "$@"
echo 'a cluster of three primaries and three replicas'
