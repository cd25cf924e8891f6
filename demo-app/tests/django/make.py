"""Makes sqlite.sql and postgres.sql: the users of a Django project, as Django itself stores them.

    python3 -m venv venv && venv/bin/pip install django argon2-cffi bcrypt 'psycopg[binary]'
    venv/bin/python make.py postgres://postgres@127.0.0.1:5432/postgres

It creates a database `django_fixture` on the server and drops it again; pg_dump has to be there.
"""

import datetime
import os
import subprocess
import sqlite3
import sys
import tempfile
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command

PASSWORD = "correct horse battery staple"
NAME = "django_fixture"
HERE = os.path.dirname(os.path.abspath(__file__))


def at(*parts):
    return datetime.datetime(*parts, tzinfo=datetime.timezone.utc)


def make_users():
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User

    def user(name, hasher, **more):
        return User.objects.create(
            username=name,
            password=make_password(PASSWORD if hasher else None, hasher=hasher or "default"),
            **more,
        )

    # 1
    admin = User.objects.create_superuser("admin", "admin@example.org", PASSWORD)
    admin.date_joined, admin.last_login = at(2020, 2, 29, 12, 0, 0), at(2024, 5, 6, 7, 8, 9, 123456)
    admin.save()
    user("gone", "pbkdf2_sha256").delete()
    # 3 to 5
    user("anna", "bcrypt_sha256", email="anna@example.org", date_joined=at(2021, 1, 2, 3, 4, 5, 600000))
    user("bernd", "scrypt", email="bernd@example.org", first_name="Bernd")
    user("chloé", "argon2", email="chloé@example.org", is_staff=True)
    # 6 to 8
    user("dora", None)
    user("emil", "pbkdf2_sha256", is_active=False)
    user("frida", "md5")
    user("gone too", "pbkdf2_sha256").delete()


def in_postgres(server):
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME}")
        connection.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
    url = urlsplit(server)
    configure({
        "ENGINE": "django.db.backends.postgresql", "NAME": NAME, "USER": url.username or "",
        "PASSWORD": url.password or "", "HOST": url.hostname, "PORT": url.port or 5432,
    })
    make_users()
    from django.db import connection as used

    used.close()
    dump = subprocess.run(
        ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "-t", "auth_user",
         url._replace(path=f"/{NAME}").geturl()],
        check=True, capture_output=True, text=True,
    ).stdout
    # What is for psql, for other versions of the server, or for the session.
    kept = [line for line in dump.splitlines()
            if line and not line.startswith(("--", "\\", "SET ", "SELECT pg_catalog.set_config"))]
    write("postgres.sql", kept)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {NAME}")


def in_sqlite():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "db.sqlite3")
        configure({"ENGINE": "django.db.backends.sqlite3", "NAME": path})
        make_users()
        connection = sqlite3.connect(path)
        kept = [line for line in connection.iterdump()
                if "auth_user\"" in line and "auth_user_" not in line]
        last = "SELECT seq FROM sqlite_sequence WHERE name = 'auth_user'"
        (last,) = connection.execute(last).fetchone()
        kept.append(f"UPDATE sqlite_sequence SET seq = {last} WHERE name = 'auth_user';")
        write("sqlite.sql", kept)


def configure(database):
    settings.configure(
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in
                          ("PBKDF2", "Argon2", "BCryptSHA256", "Scrypt", "MD5")],
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)


def write(name, lines):
    with open(os.path.join(HERE, name), "w") as file:
        file.write(f"-- Made by make.py with Django {django.__version__}. Everybody's password: {PASSWORD}\n")
        file.write("\n".join(lines) + "\n")


if len(sys.argv) > 1:
    # Django is configured once in a process.
    subprocess.run([sys.executable, __file__], check=True)
    in_postgres(sys.argv[1])
else:
    in_sqlite()
