from database import connect

with connect() as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS visits (id serial PRIMARY KEY, path text NOT NULL)")
print("migrated")
