#!/bin/sh
# Makes what no repository may hold: key ring, certificates, passwords. Into deploy/compose/secrets (git ignores it), or
# the folder named as $1. Run it once, as the user who runs docker; it never overwrites anything. What it makes serves one
# store, sentinels and a cluster alike. STORE_NAMES=DNS:…,IP:… puts further names of the store into its certificate.
# Needs openssl, and either a `hub` command ($HUB names another) or docker, which then builds the image.
set -eu
umask 077

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
secrets=${1:-$here/secrets}
dotenv=${DOTENV:-$root/.env}
case $secrets in /*) ;; *) secrets=$(pwd)/$secrets ;; esac

fail() { echo "init.sh: $1" >&2; exit 1; }
command -v openssl > /dev/null || fail 'openssl is needed'
[ ! -e "$secrets" ] || fail "$secrets exists; nothing was changed"
if [ -z "${HUB:-}" ]; then
    if command -v hub > /dev/null; then
        HUB=hub
    elif command -v docker > /dev/null; then
        docker build -q -t single-state-hub "$root" > /dev/null
        HUB="docker run --rm --user $(id -u):$(id -g) --volume $secrets.new:$secrets.new single-state-hub"
    else
        fail 'a hub command, or docker, is needed to make the key ring'
    fi
fi

new=$secrets.new
rm -rf "$new"
mkdir -p "$new/keys"
trap 'rm -rf "$new"' EXIT

random() { openssl rand -hex 32; }
sha256() { printf %s "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }

# An authority for this installation alone, and what it signs. Its key is thrown away: nobody can sign more in its name.
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=hub compose $(random | cut -c 1-8)" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$new/ca-key.pem" -out "$new/ca.pem" 2> /dev/null
}
certificate() { # name, subjectAltName, extendedKeyUsage
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$new/$1-key.pem" -out "$new/$1.csr" 2> /dev/null
    printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' \
        "$2" "$3" > "$new/$1.ext"
    openssl x509 -req -in "$new/$1.csr" -CA "$new/ca.pem" -CAkey "$new/ca-key.pem" -set_serial "0x$(random | cut -c 1-30)" \
        -days 825 -extfile "$new/$1.ext" -out "$new/$1.pem" 2> /dev/null
    rm "$new/$1.csr" "$new/$1.ext"
}
authority
certificate site DNS:hub.localhost,DNS:id.localhost,DNS:localhost,IP:127.0.0.1 serverAuth
names=DNS:valkey
for name in valkey-2 valkey-3 valkey-4 valkey-5 valkey-6 sentinel-1 sentinel-2 sentinel-3 localhost; do names=$names,DNS:$name; done
certificate store "$names,IP:127.0.0.1${STORE_NAMES:+,$STORE_NAMES}" serverAuth,clientAuth   # a server is a client of others
rm "$new/ca-key.pem"

store_password=$(random) idp_secret=$(random) billing_key="hub_sk_billing_$(random)"
replica_password=$(random) sentinel_password=$(random) asking_password=$(random) operator_password=$(random)
users() { # FILE…: their lines, with the passwords' SHA-256
    cat "$@" | sed -e '/^#/d' \
        -e "s/\${HUB_STORE_PASSWORD_SHA256}/$(sha256 "$store_password")/" \
        -e "s/\${HUB_AT_SENTINELS_SHA256}/$(sha256 "$asking_password")/" \
        -e "s/\${REPLICA_SHA256}/$(sha256 "$replica_password")/" \
        -e "s/\${SENTINEL_SHA256}/$(sha256 "$sentinel_password")/" \
        -e "s/\${OPERATOR_SHA256}/$(sha256 "$operator_password")/"
}
users "$here/valkey.acl" > "$new/users.acl"
cat > "$new/hub.env" << END
HUB_STORE_URL=rediss://hub:$store_password@valkey:6379
HUB_SERVICES__BILLING__KEY_SHA256=$(sha256 "$billing_key")
DEMO_IDP_SECRET=$idp_secret
END
echo "DEMO_IDP_SECRET=$idp_secret" > "$new/idp.env"
echo "DEMO_BILLING_KEY=$billing_key" > "$new/desk.env"

# What servers under Sentinel, sentinels, and servers of a cluster read: a folder each.
mkdir "$new/replicated" "$new/sentinel" "$new/cluster"
users "$here/valkey.acl" "$here/store/replicated.acl" > "$new/replicated/users.acl"
users "$here/store/sentinel.acl" > "$new/sentinel/users.acl"
users "$here/valkey.acl" "$here/store/cluster.acl" > "$new/cluster/users.acl"
for folder in replicated cluster; do
    printf 'masteruser replica\nmasterauth %s\n' "$replica_password" > "$new/$folder/replication.conf"
done
cat > "$new/sentinel/sentinel.conf" << END
sentinel auth-user main sentinel
sentinel auth-pass main $sentinel_password
sentinel sentinel-user sentinel
sentinel sentinel-pass $sentinel_password
END
sentinels=sentinel-1:26379,sentinel-2:26379,sentinel-3:26379
cat > "$new/hub-sentinel.env" << END
HUB_STORE_URL=rediss+sentinel://hub:$store_password@$sentinels/main?sentinel_username=hub&sentinel_password=$asking_password
END
servers=valkey:6379,valkey-2:6379,valkey-3:6379,valkey-4:6379,valkey-5:6379,valkey-6:6379
echo "HUB_STORE_URL=rediss+cluster://hub:$store_password@$servers" > "$new/hub-cluster.env"
printf '%sCLI_AUTH=%s\n' REDIS "$operator_password" VALKEY "$operator_password" > "$new/operator.env"
for folder in replicated sentinel cluster; do
    cp "$new/ca.pem" "$new/store.pem" "$new/store-key.pem" "$new/$folder"
done
$HUB keys new --file "$new/keys/hub.keys.toml" > /dev/null

# The folder is its owner's alone; inside it, these are read by containers that run as somebody else.
chmod 644 "$new/ca.pem" "$new/site.pem" "$new/store.pem" "$new/store-key.pem" "$new/users.acl"
chmod 755 "$new/replicated" "$new/sentinel" "$new/cluster"
chmod 644 "$new/replicated/"* "$new/sentinel/"* "$new/cluster/"*
mv "$new" "$secrets"

# The key ring opens for its owner only, so the nodes run as that user; never as root.
run_as=$(id -u):$(id -g)
if [ "$(id -u)" = 0 ]; then
    run_as=10001:10001
    chown -R "$run_as" "$secrets/keys"
fi
if ! grep -qs '^RUN_AS=' "$dotenv"; then
    (umask 022; echo "RUN_AS=$run_as" >> "$dotenv")
fi
echo "made $secrets; next: docker compose up --build, then https://hub.localhost:8443 (trust $secrets/ca.pem in the browser)"
