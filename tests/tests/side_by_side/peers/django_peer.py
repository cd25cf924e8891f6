"""A Django project with REST framework and SimpleJWT, as their tutorials set it up, for the tests.

The configuration: {"folder": where its database goes, "simple_jwt": SIMPLE_JWT, with durations in seconds}.
The orders: create, deactivate, delete, set_password, hash_password (serving.py says how they come).
"""

from datetime import timedelta
from pathlib import Path

from django.conf import settings

import serving

given = serving.configuration()
simple_jwt = {
    name: timedelta(seconds=value) if name.endswith("_LIFETIME") else value
    for name, value in given["simple_jwt"].items()
}
settings.configure(
    # So that an error is the answer 500 that others would get.
    DEBUG=False,
    SECRET_KEY=simple_jwt["SIGNING_KEY"],
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(given["folder"], "django.db"),
            "OPTIONS": {"timeout": 20, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "rest_framework_simplejwt",
        "rest_framework_simplejwt.token_blacklist",
    ],
    # Those of `startproject`, but for the messages.
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    # The tables are made from the models: some thirty migrations take longer than all the requests.
    MIGRATION_MODULES={
        app: None for app in ("auth", "contenttypes", "sessions", "token_blacklist")
    },
    # The fastest: nobody guesses these passwords.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        # The pages for people would want templates.
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT=simple_jwt,
)

import django  # noqa: E402 - what follows wants the settings

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt import views  # noqa: E402
from rest_framework_simplejwt.utils import get_md5_hash_password  # noqa: E402


class Me(APIView):
    def get(self, request):
        user = request.user
        return Response({"id": user.id, "username": user.username, "email": user.email})


urlpatterns = [
    path("api/token/", views.TokenObtainPairView.as_view()),
    path("api/token/refresh/", views.TokenRefreshView.as_view()),
    path("api/token/verify/", views.TokenVerifyView.as_view()),
    path("api/token/blacklist/", views.TokenBlacklistView.as_view()),
    path("api/token/sliding/", views.TokenObtainSlidingView.as_view()),
    path("api/token/sliding/refresh/", views.TokenRefreshSlidingView.as_view()),
    path("api/v1/users/me/", Me.as_view()),
]


def create(id, username, email, password, is_active):
    user = User(id=id, username=username, email=email, is_active=is_active)
    user.set_password(password)
    user.save()


def deactivate(id):
    assert User.objects.filter(id=id).update(is_active=False) == 1


def delete(id):
    User.objects.get(id=id).delete()


def set_password(id, password):
    user = User.objects.get(id=id)
    user.set_password(password)
    user.save()


def hash_password(id):
    return {"hash_password": get_md5_hash_password(User.objects.get(id=id).password)}


call_command("migrate", run_syncdb=True, verbosity=0)
orders = {order.__name__: order for order in (create, deactivate, delete, set_password, hash_password)}
packages = ["Django", "djangorestframework", "djangorestframework-simplejwt", "PyJWT"]
serving.serve(get_wsgi_application(), packages, orders)
