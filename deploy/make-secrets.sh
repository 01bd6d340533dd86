#!/bin/sh
# Makes what docker-compose.yml needs of secrets, in deploy/secrets/; what is there already stays.
# A new one: remove its file (both files of ClickHouse), run this again, `docker compose up --detach`.
set -eu
folder="$(dirname "$0")/secrets"
# Nobody else enters the folder; the files are readable, because containers see them under other users.
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

write() { # FILE, content on stdin
    cat > "$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
}

for token in api_token api_read_token; do
    [ -s "$folder/$token" ] || random | write "$token"
done

if [ ! -s "$folder/clickhouse_url" ] || [ ! -s "$folder/clickhouse_users.xml" ]; then
    password="$(random)"
    hash="$(printf %s "$password" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1)"
    printf 'http://wst:%s@clickhouse:8123' "$password" | write clickhouse_url
    write clickhouse_users.xml <<XML
<clickhouse>
    <users>
        <default remove="remove"/>
        <wst>
            <password_sha256_hex>$hash</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <access_management>1</access_management>
        </wst>
    </users>
</clickhouse>
XML
fi
