"""Makes django_passwords.json: passwords as Django stores them.

    python3 -m venv venv && venv/bin/pip install django argon2-cffi bcrypt
    venv/bin/python django_passwords.py > django_passwords.json
"""

import json

import django
from django.conf import settings
from django.contrib.auth import hashers

settings.configure(
    PASSWORD_HASHERS=[
        f"django.contrib.auth.hashers.{name}PasswordHasher"
        for name in ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5")
    ]
)

PASSWORDS = {
    "plain": "correct horse battery staple",
    "not ASCII": "pässwörd — 密碼 🔑",
    "with NUL": "before\0after",
    "long": "0123456789" * 10 + "é",
    "of 72 bytes": "0123456789" * 7 + "01",
    "with blanks at its ends": "  blanks  ",
    "empty": "",
}


class Argon2i(hashers.Argon2PasswordHasher):
    """As Django before 3.2 had it."""

    def params(self):
        params = super().params()
        params.type = self._load_library().low_level.Type.I
        return params


def cheap():
    """A fraction of the default costs, for tests that run often."""
    for name in ("pbkdf2_sha256", "pbkdf2_sha1"):
        hasher = hashers.get_hasher(name)
        yield name, lambda p, hasher=hasher: hasher.encode(p, hasher.salt(), 20_000)
    for name in ("bcrypt_sha256", "bcrypt"):
        hasher = type("Cheap", (type(hashers.get_hasher(name)),), {"rounds": 5})()
        yield name, lambda p, hasher=hasher: hasher.encode(p, hasher.salt())
    scrypt = hashers.get_hasher("scrypt")
    yield "scrypt", lambda p: scrypt.encode(p, scrypt.salt(), n=2**10, r=4, p=3)
    argon2 = type("Cheap", (hashers.Argon2PasswordHasher,), {"memory_cost": 512})()
    yield "argon2", lambda p: argon2.encode(p, argon2.salt())
    argon2i = type("Cheap", (Argon2i,), {"memory_cost": 512})()
    yield "argon2", lambda p: argon2i.encode(p, "twelve chars")


vectors = []
for algorithm in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"):
    stored = hashers.make_password(PASSWORDS["plain"], hasher=algorithm)
    vectors.append(("plain", "default", stored))
for algorithm, encode in cheap():
    for kind, password in PASSWORDS.items():
        try:
            stored = encode(password)
        except ValueError:
            # The package bcrypt refuses more than 72 bytes.
            continue
        vectors.append((kind, "cheap", stored))

for kind, _, stored in vectors:
    assert hashers.check_password(PASSWORDS[kind], stored), stored
    assert not hashers.check_password("x" + PASSWORDS[kind][1:], stored), stored

print(json.dumps({
    "django": django.__version__,
    "passwords": PASSWORDS,
    "hashes": [dict(zip(("password", "cost", "stored"), vector)) for vector in vectors],
    "others": [
        hashers.make_password(None),
        hashers.make_password(PASSWORDS["plain"], hasher="md5"),
    ],
}, indent=1, ensure_ascii=True))
