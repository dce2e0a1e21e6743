// The identity provider of the tests: the certified oidc-provider on loopback, in memory.
//
//   node provider.js PORT ORIGIN
//
// ORIGIN is the console's, at 127.0.0.1: for a browser, localhost is another site. Anybody signs in under any name, on the provider's own pages for development: `ada.reviewers` is
// a person in the group reviewers. Each start makes a new signing key, so that a restart is a rotation.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import Provider from "oidc-provider";

const [port, origin] = process.argv.slice(2);
const groups = (id) => id.split(".").slice(1);
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

const machine = (id) => ({
  client_id: id,
  client_secret: "machine",
  grant_types: ["client_credentials"],
  redirect_uris: [],
  response_types: [],
});

const provider = new Provider(`http://localhost:${port}`, {
  jwks: { keys: [{ ...key, kid: randomUUID(), use: "sig", alg: "RS256" }] },
  clients: [
    {
      client_id: "console",
      token_endpoint_auth_method: "none",
      redirect_uris: [`${origin}/console/sign-in/callback`],
      post_logout_redirect_uris: [`${origin}/console/sign-in`],
    },
    machine("batch.reviewers"),
    machine("stranger"),
  ],
  // The groups are in the ID token, as with the providers that companies have.
  conformIdTokenClaims: false,
  claims: { openid: ["sub", "groups"], profile: ["name"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id.split(".")[0]} of the test`, groups: groups(id) }),
  }),
  extraTokenClaims: (_, token) => ({ groups: groups(token.accountId ?? token.clientId) }),
  pkce: { required: () => true },
  features: {
    clientCredentials: { enabled: true },
    // Access tokens are signed, and for one API.
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params.grant_type === "client_credentials" ? "urn:countersign" : undefined),
      getResourceServerInfo: () => ({
        scope: "",
        audience: "countersign",
        accessTokenFormat: "jwt",
        accessTokenTTL: 300,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  cookies: { keys: [randomUUID()] },
});

provider.listen(port, "localhost");
