import os

import psycopg2


def connect():
    with open("/run/secrets/password") as file:
        password = file.read().strip()
    return psycopg2.connect(
        host=os.environ["DB_HOST"], dbname=os.environ["DB_NAME"], user="site", password=password, connect_timeout=2
    )
