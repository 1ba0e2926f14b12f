// npm's openid-client as an app: it prints where the person is to be led, reads where they
// came back to, and prints what it got. Everything that is wrong ends it.
import { createInterface } from "node:readline/promises";
import * as client from "openid-client";

const app = JSON.parse(process.argv[2]);
const config = await client.discovery(new URL(app.issuer), app.id, { client_secret: app.secret }, client.ClientSecretBasic(app.secret), {
  execute: [client.allowInsecureRequests], // the stack on this machine has no TLS
});
const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce();
console.log(client.buildAuthorizationUrl(config, {
  redirect_uri: app.redirect, scope: app.scope, state, nonce, max_age: "3600",
  code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
}).href);

const back = await createInterface({ input: process.stdin }).question("");
const tokens = await client.authorizationCodeGrant(config, new URL(back), { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 3600, idTokenExpected: true });
const subject = tokens.claims().sub;
const person = await client.fetchUserInfo(config, tokens.access_token, subject);
const next = await client.refreshTokenGrant(config, tokens.refresh_token);
const own = await client.clientCredentialsGrant(config, { scope: "events:read" });
const before = await client.tokenIntrospection(config, next.access_token);
await client.tokenRevocation(config, next.refresh_token);
const after = await client.tokenIntrospection(config, next.access_token);
console.log(JSON.stringify({
  subject, email: person.email, again: next.claims().sub, scope: own.scope,
  refreshed: next.refresh_token !== tokens.refresh_token, before: before.active && before.sub === subject, after: after.active,
}));
process.exit(0);
