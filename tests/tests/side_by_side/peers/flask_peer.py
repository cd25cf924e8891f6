"""A Flask application with two kinds of login, as their tutorials write them, for the tests.

* `/api/v1/users/login/jwt` and `…/info`: a token that PyJWT encodes by hand, in the header `jwt-auth`
* `/login`, `/refresh`, `/profile`, `/fresh`: Flask-JWT-Extended

The configuration: {"config": Flask's}. The orders: create, delete (serving.py says how they come).
"""

import time

import jwt
from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    get_jwt_identity,
    jwt_required,
)

import serving

given = serving.configuration()
app = Flask(__name__)
app.config.update(given["config"])
app.url_map.strict_slashes = False
manager = JWTManager(app)
users = {}


def logged_in():
    body = request.get_json()
    for user in users.values():
        if (user["username"], user["password"]) == (body["username"], body["password"]):
            return user
    return None


@app.post("/api/v1/users/login/jwt")
def log_in_by_hand():
    user = logged_in()
    if user is None:
        return jsonify(detail="No active account found with the given credentials"), 401
    payload = {"id": user["id"], "username": user["username"]}
    # Not part of the tutorial, whose tokens never expire.
    if "lifetime" in request.args:
        payload["exp"] = int(time.time()) + int(request.args["lifetime"])
    return jsonify(token=jwt.encode(payload, app.config["JWT_SECRET_KEY"], algorithm="HS256"))


@app.get("/api/v1/users/login/jwt/info")
def info():
    token = request.headers.get("jwt-auth")
    if not token:
        return jsonify(detail="Authentication credentials were not provided."), 401
    try:
        payload = jwt.decode(token, app.config["JWT_SECRET_KEY"], algorithms=["HS256"])
    except jwt.ExpiredSignatureError:
        return jsonify(detail="Token has expired"), 401
    except jwt.InvalidTokenError:
        return jsonify(detail="Error decoding token"), 401
    if not payload.get("id"):
        return jsonify(detail="Invalid Token"), 401
    user = users.get(payload["id"])
    if user is None:
        return jsonify(detail="User not found"), 401
    return jsonify(id=user["id"], username=user["username"])


@manager.user_lookup_loader
def user_of(_header, claims):
    return users.get(int(claims["sub"]))


@app.post("/login")
def log_in():
    user = logged_in()
    if user is None:
        return jsonify(error="Invalid credentials"), 401
    identity = str(user["id"])
    access = create_access_token(identity=identity, fresh=True)
    return jsonify(access_token=access, refresh_token=create_refresh_token(identity=identity))


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh():
    return jsonify(access_token=create_access_token(identity=get_jwt_identity(), fresh=False))


@app.get("/profile")
@jwt_required()
def profile():
    return jsonify(id=get_jwt_identity(), username=current_user["username"])


@app.get("/fresh")
@jwt_required(fresh=True)
def fresh():
    return jsonify(id=get_jwt_identity())


def create(id, username, password):
    users[id] = {"id": id, "username": username, "password": password}


def delete(id):
    del users[id]


packages = ["Flask", "Flask-JWT-Extended", "PyJWT"]
serving.serve(app, packages, {"create": create, "delete": delete})
