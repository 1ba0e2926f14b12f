"""An identity provider made of pysaml2 and xmlsec1. The folder that is its argument has key.pem, cert.pem and sp.xml.

It prints its metadata, then answers each line of its input, a JSON object with
`request` (the address to which a browser is sent), `response` and `assertion` (whether to sign each), `method` and
`digest` (how), with a line of JSON that has the form's SAMLResponse.
"""
import json
import sys
import warnings
from base64 import b64encode
from pathlib import Path
from urllib.parse import parse_qs, urlparse

warnings.simplefilter("ignore")
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, xmldsig  # noqa: E402
from saml2.authn_context import PASSWORD  # noqa: E402
from saml2.config import IdPConfig  # noqa: E402
from saml2.metadata import entity_descriptor  # noqa: E402
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID  # noqa: E402
from saml2.server import Server  # noqa: E402

folder = Path(sys.argv[1])
config = IdPConfig().load({
    "entityid": "https://pysaml2.example.com/idp",
    "service": {"idp": {"endpoints": {"single_sign_on_service": [("https://pysaml2.example.com/sso", BINDING_HTTP_REDIRECT)]}}},
    "metadata": {"local": [str(folder / "sp.xml")]},
    "key_file": str(folder / "key.pem"),
    "cert_file": str(folder / "cert.pem"),
    "xmlsec_binary": "/usr/bin/xmlsec1",
})
print(json.dumps(str(entity_descriptor(config))), flush=True)
idp = Server(config=config)

for line in sys.stdin:
    asked = json.loads(line)
    query = parse_qs(urlparse(asked["request"]).query)
    request = idp.parse_authn_request(query["SAMLRequest"][0], BINDING_HTTP_REDIRECT).message
    to = idp.response_args(request, [BINDING_HTTP_POST])
    response = idp.create_authn_response(
        {"mail": ["Ada@acme.example"], "displayName": ["Ada Lovelace"]},
        to["in_response_to"], to["destination"], to["sp_entity_id"],
        name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text="ada"), authn={"class_ref": PASSWORD},
        sign_response=asked["response"], sign_assertion=asked["assertion"],
        sign_alg=getattr(xmldsig, asked["method"]), digest_alg=getattr(xmldsig, asked["digest"]),
    )
    print(json.dumps(b64encode(str(response).encode()).decode()), flush=True)
