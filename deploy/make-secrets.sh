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

digest() { printf %s "$1" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1; }

for name in api_token api_read_token grafana_password; do
    [ -s "$folder/$name" ] || random | write "$name"
done

if [ ! -s "$folder/clickhouse_url" ] || [ ! -s "$folder/clickhouse_users.xml" ]; then
    password="$(random)"
    printf 'http://wst:%s@clickhouse:8123' "$password" | write clickhouse_url
    write clickhouse_users.xml <<XML
<clickhouse>
    <users>
        <default remove="remove"/>
        <wst>
            <password_sha256_hex>$(digest "$password")</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <access_management>1</access_management>
        </wst>
    </users>
</clickhouse>
XML
fi

# For tools: reads the views, and may change no setting but how long a question may take, as Grafana's plugin does.
if [ ! -s "$folder/clickhouse_reader" ] || [ ! -s "$folder/clickhouse_reader.xml" ]; then
    password="$(random)"
    printf %s "$password" | write clickhouse_reader
    write clickhouse_reader.xml <<XML
<clickhouse>
    <profiles>
        <wst_reader>
            <readonly>1</readonly>
            <max_execution_time>30</max_execution_time>
            <max_memory_usage>1073741824</max_memory_usage>
            <constraints><max_execution_time><max>60</max><changeable_in_readonly/></max_execution_time></constraints>
        </wst_reader>
    </profiles>
    <users>
        <wst_reader>
            <password_sha256_hex>$(digest "$password")</password_sha256_hex>
            <networks><ip>::/0</ip></networks>
            <profile>wst_reader</profile>
            <quota>default</quota>
            <grants><query>GRANT SELECT ON wst.*</query></grants>
        </wst_reader>
    </users>
</clickhouse>
XML
fi
