"""PyPI's Authlib as an app: it prints where the person is to be led, reads where they came back to, and prints what it got."""
import json
import secrets
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oidc.core import CodeIDToken

app = json.loads(sys.argv[1])
server = requests.get(app["issuer"] + "/.well-known/openid-configuration", timeout=60).json()
assert server["issuer"] == app["issuer"]
keys = JsonWebKey.import_key_set(requests.get(server["jwks_uri"], timeout=60).json())
verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
session = OAuth2Session(app["id"], app["secret"], scope=app["scope"], redirect_uri=app["redirect"], code_challenge_method="S256", token_endpoint=server["token_endpoint"])
url, state = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
print(url, flush=True)


def identify(token, **params):
    options = {"iss": {"essential": True, "value": app["issuer"]}, "aud": {"essential": True, "value": app["id"]}}
    claims = jwt.decode(token["id_token"], keys, claims_cls=CodeIDToken, claims_options=options, claims_params={"client_id": app["id"], "access_token": token["access_token"], **params})
    claims.validate()
    return claims["sub"]


token = session.fetch_token(server["token_endpoint"], authorization_response=sys.stdin.readline().strip(), state=state, code_verifier=verifier)
subject = identify(token, nonce=nonce)
person = session.get(server["userinfo_endpoint"]).json()
assert person["sub"] == subject
old = token["refresh_token"]
token = session.refresh_token(server["token_endpoint"], refresh_token=old)
own = OAuth2Session(app["id"], app["secret"], scope="events:read").fetch_token(server["token_endpoint"], grant_type="client_credentials")
before = session.introspect_token(server["introspection_endpoint"], token=token["access_token"]).json()
session.revoke_token(server["revocation_endpoint"], token=token["refresh_token"])
after = session.introspect_token(server["introspection_endpoint"], token=token["access_token"]).json()
print(json.dumps({
    "subject": subject, "email": person["email"], "again": identify(token), "scope": own["scope"],
    "refreshed": token["refresh_token"] != old, "before": before["active"] and before["sub"] == subject, "after": after["active"],
}), flush=True)
