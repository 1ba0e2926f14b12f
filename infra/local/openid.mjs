// Plays Google, or the OpenID Connect provider of an organization and of staff, in the local
// stack: everybody is who they say they are. It listens on the socket that is its first
// argument, for the issuer that is the second; the third says where it may send browsers back,
// separated by spaces, the fourth is its name.
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

const [socket, issuer, redirects, name] = process.argv.slice(2);

// path is that of the issuer, below which everything is.
const path = new URL(issuer).pathname.replace(/\/$/, '');

const provider = new Provider(issuer, {
  clients: [{ client_id: 'local', client_secret: 'local', redirect_uris: redirects.split(' ') }],
  claims: { email: ['email', 'email_verified', 'hd'], profile: ['name'] },
  conformIdTokenClaims: false, // ID tokens have all claims, as Google's do
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `${path}/interaction/${interaction.uid}` },
  cookies: { keys: [issuer] },
  // An account's id is its address, or "unproven:" and its address.
  findAccount: (_, id) => {
    const email = id.replace(/^unproven:/, '');
    const domain = email.split('@')[1];
    const hosted = domain === 'gmail.com' ? {} : { hd: domain };
    return { accountId: id, claims: () => ({ sub: id, email, email_verified: id === email, name: email.split('@')[0], ...hosted }) };
  },
  // Everybody has consented to everything.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
});

const form = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${name} of the local stack</title><body style="font:16px system-ui;max-width:24rem;margin:10vh auto">
<h1>${name} of the local stack</h1>
<form method="post"><p><label>Who are you? <input name="email" type="email" required value="${name === 'Google' ? 'ada@gmail.com' : 'ada@acme.example.com'}"></label></p>
<p><label><input type="checkbox" name="proven" value="yes" checked> ${name} knows that the address is yours</label></p>
<button>Sign in</button> <button name="cancel" value="yes" formnovalidate>Cancel</button></form>`;

async function read(req) {
  let text = '';
  for await (const chunk of req) text += chunk;
  return new URLSearchParams(text);
}

// interact shows the form, and ends the interaction with what it sends.
async function interact(req, res) {
  await provider.interactionDetails(req, res); // fails if there is none
  if (req.method !== 'POST') {
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end(form);
    return;
  }
  const sent = await read(req);
  const who = (sent.get('proven') ? '' : 'unproven:') + sent.get('email');
  await provider.interactionFinished(req, res, sent.get('cancel') ? { error: 'access_denied' } : { login: { accountId: who, remember: false } });
}

const handle = provider.callback();
createServer((req, res) => {
  // It asks each time who somebody is, so it forgets who that was before.
  req.headers.cookie = (req.headers.cookie ?? '').split('; ').filter((c) => !c.startsWith('_session')).join('; ');
  req.originalUrl = req.url; // by which oidc-provider knows the path
  req.url = req.url.slice(path.length);
  if (!req.url.startsWith('/interaction/')) return handle(req, res);
  interact(req, res).catch((e) => {
    res.statusCode = e instanceof errors.OIDCProviderError ? e.statusCode : 500;
    res.end(String(e));
  });
}).listen(socket);
