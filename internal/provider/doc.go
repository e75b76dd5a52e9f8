// Package provider owns signing in at an organization's identity provider
// (OpenID Connect): it sends people there, judges what comes back, and keeps
// whose identity there an account belongs to.
//
//	Begin ──> Address ──> (the provider) ──> Finish ──> Bind
//
// It promises:
//
//   - an answer counts once, within fifteen minutes, in the browser that asked,
//     for the organization that was asked for, and only with the code verifier
//     that never left this installation (RFC 7636; RFC 9700, 2.1 and 4.7);
//   - an answer of one provider is never taken for another's: each organization
//     has its own address to come back to, an "iss" in the answer is compared, and
//     is missed where the provider says that it sends one (RFC 9207);
//   - an ID token is believed only with a signature by a key the provider publishes,
//     under one of a closed list of asymmetric algorithms, from exactly this
//     issuer, for exactly this client alone, with the nonce of this sign-in, and
//     in time within a minute (OpenID Connect Core, 3.1.3.7);
//   - an address is taken from the claim "email" only where it is verified there;
//   - an account belongs to the identity that it was first used with, and an
//     identity to one account: a name that is given to somebody else there opens
//     nothing here, until an administrator says so;
//   - a provider is asked over connections that are bounded in time and size, that
//     follow no redirects, and that reach public addresses or allowed networks only.
//
// Nothing the provider gave is kept, but for the blind index of who it was, and,
// sealed and for as long as the session, the ID token where it takes one back to sign
// people out there. That is offered and never done by itself:
//
//	Keep ──> Leave ──> SignOutAddress ──> (the provider) ──> CameBack
//
// How each provider is, is looked at and noted: State tells it and asks nobody.
//
// Room signin calls it. Begin, Address, Finish, SignOutAddress, Look and Check ask
// the network: no transaction may be open.
package provider
