// An OpenID provider for the browser tests: node oidc_provider.mjs REDIRECT_URI
// It prints its address on the first line and ends with its standard input. The
// pages are the library's own for development: whoever signs in types any name.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'kunci', client_secret: 'a secret of the browser tests', redirect_uris: [process.argv[2]],
      post_logout_redirect_uris: [process.argv[2].replace('/signin/', '/signout/')],
      response_types: ['code'], grant_types: ['authorization_code'],
    }],
    pkce: { required: () => true },
    claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email', 'email_verified'] },
    cookies: { keys: ['of the browser tests'] },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, name: id, email: id, email_verified: true }),
    }),
  });
  // Its pages would ask another host for letters.
  provider.use(async (ctx, next) => {
    await next();
    if (typeof ctx.body === 'string') ctx.body = ctx.body.replace(/@import url\([^)]*\);/, '');
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
