#!/bin/sh
# Makes the database if there is none, and becomes its server.
set -e
if [ ! -e /data/PG_VERSION ]; then
    initdb -D /data -U site -A scram-sha-256 --pwfile=/run/secrets/password --no-sync > /dev/null
    echo "host all all all scram-sha-256" >> /data/pg_hba.conf
    echo "CREATE DATABASE $DB_NAME" | postgres --single -D /data postgres > /dev/null
fi
exec postgres -D /data -c listen_addresses='*' -c unix_socket_directories=/tmp,/var/run/postgresql
