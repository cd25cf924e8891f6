"""Django REST framework and SimpleJWT in one file, doing what `actix-jwt/examples/bench_server.rs` does.

    simplejwt.py setup          makes the tables and the user in DATABASE_URL
    simplejwt.py refresh N      prints N refresh tokens of new logins
    gunicorn simplejwt:application

KEYS, ALG and DATABASE_URL are as for bench_server. AUTHENTICATION=JWTStatelessUserAuthentication does not
load the user at every request.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher


class Hasher(Argon2PasswordHasher):
    """With OWASP's parameters, as ours."""

    memory_cost, time_cost, parallelism = 19456, 2, 1


def database(url):
    path = url.removeprefix("sqlite://")
    if path != url:
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"  # As ours.
        options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": pragmas}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options}
    url = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
    }


def key(name):
    return Path(os.environ["KEYS"], name).read_text()


algorithm = os.environ["ALG"]
hmac = algorithm == "HS256"
authentication = os.environ.get("AUTHENTICATION", "JWTAuthentication")
settings.configure(
    SECRET_KEY=key("hs256.bin"),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {**database(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": None}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt",
        "rest_framework_simplejwt.token_blacklist",
    ],
    PASSWORD_HASHERS=[f"{__name__}.Hasher"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [f"rest_framework_simplejwt.authentication.{authentication}"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
    SIMPLE_JWT={
        "ALGORITHM": algorithm,
        "SIGNING_KEY": key("hs256.bin" if hmac else f"{algorithm.lower()}.pem"),
        "VERIFYING_KEY": "" if hmac else key(f"{algorithm.lower()}.pub.pem"),
        "ISSUER": "https://bench.example",
        "AUDIENCE": "bench-api",
        "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    },
)

import django  # noqa: E402 - what follows wants the settings

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView  # noqa: E402


@api_view(["GET"])
def me(request):
    return Response({"id": str(request.user.id), "name": request.auth["name"]})


urlpatterns = [
    path("me", me),
    path("token/pair", TokenObtainPairView.as_view()),
    path("token/refresh", TokenRefreshView.as_view()),
]
application = get_wsgi_application()

if __name__ == "__main__":
    if sys.argv[1] == "setup":
        call_command("migrate", verbosity=0)
        alice = User(id=42, username="alice")
        alice.set_password("correct horse")
        alice.save()
    else:
        alice = User.objects.get(id=42)
        for _ in range(int(sys.argv[2])):
            print(RefreshToken.for_user(alice))
