"""PyJWT, at the service of the tests: one JSON request a line in, one JSON reply a line out.

    {"do": "sign", "alg", "key", "header", "claims"}            {"token": text}
    {"do": "verify", "alg", "key", "token",                     {"claims": object}
     "issuer": text or null, "audience": text or null}          {"refused": why}
    {"do": "accepts", "alg", "key", "token"}                    {"accepted": bool}
    {"do": "describe", "alg", "key"}                            {"keys": {"private", "public", "thumbprint"}}
    {"do": "generate", "alg"}                                   {"pair": {"private": pem, "public": pem}}

A key is {"secret": base64url}, {"pem": text}, {"jwk": object} or {"jwks": object}; what describes it are
JWKs. Only what PyJWT says of a token is a refusal; everything else that goes wrong is {"broken": why}.
"""

import base64
import functools
import hashlib
import json
import sys

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def key_of(key, alg, token=None):
    if "secret" in key:
        return base64.urlsafe_b64decode(key["secret"] + "==")
    if "pem" in key:
        return prepared(key["pem"], alg)
    if "jwk" in key:
        return jwt.PyJWK.from_dict(key["jwk"], algorithm=alg)
    kid = jwt.get_unverified_header(token).get("kid")
    try:
        return jwt.PyJWKSet.from_dict(key["jwks"])[kid]
    except KeyError:
        raise jwt.InvalidTokenError(f"no key {kid}")


@functools.cache
def prepared(pem, alg):
    # Whether an RSA key is one is checked each time that it is read, for some hundredths of a second.
    return jwt.get_algorithm_by_name(alg).prepare_key(pem)


def sign(alg, key, header, claims):
    return {"token": jwt.encode(claims, key_of(key, alg), algorithm=alg, headers=header)}


def verify(alg, key, token, issuer, audience):
    try:
        key = key_of(key, alg, token)
        claims = jwt.decode(token, key, algorithms=[alg], issuer=issuer, audience=audience)
    except jwt.InvalidTokenError as refusal:
        return {"refused": f"{type(refusal).__name__}: {refusal}"}
    return {"claims": claims}


def accepts(alg, key, token):
    return {"accepted": "claims" in verify(alg, key, token, None, None)}


# RFC 7638 section 3.2, and for OKP RFC 8037 section 2.
REQUIRED = {"RSA": ["e", "kty", "n"], "EC": ["crv", "kty", "x", "y"], "OKP": ["crv", "kty", "x"]}


def describe(alg, key):
    to_jwk = jwt.get_algorithm_by_name(alg).to_jwk
    if "secret" in key:
        private = to_jwk(key_of(key, alg), as_dict=True)
        return {"keys": {"private": private, "public": None, "thumbprint": None}}
    private_key = serialization.load_pem_private_key(key["pem"].encode(), password=None)
    private = to_jwk(private_key, as_dict=True)
    public = to_jwk(private_key.public_key(), as_dict=True)
    required = {name: public[name] for name in sorted(REQUIRED[public["kty"]])}
    canonical = json.dumps(required, separators=(",", ":")).encode()
    thumbprint = base64url(hashlib.sha256(canonical).digest())
    return {"keys": {"private": private, "public": public, "thumbprint": thumbprint}}


def generate(alg):
    if alg == "EdDSA":
        private_key = ed25519.Ed25519PrivateKey.generate()
    elif alg.startswith("ES"):
        private_key = ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}[alg])
    else:
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {"pair": {"private": private.decode(), "public": public.decode()}}


DEEDS = {deed.__name__: deed for deed in (sign, verify, accepts, describe, generate)}

for line in sys.stdin:
    request = json.loads(line)
    try:
        reply = DEEDS[request.pop("do")](**request)
    except Exception as error:
        reply = {"broken": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
