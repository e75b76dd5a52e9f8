// Package idempotency owns what makes a request that is sent twice act once: the
// keys that programs send with it (draft-ietf-httpapi-idempotency-key-header), each
// with a fingerprint of its request and, when it ended, the answer.
//
// It promises:
//
//   - of any number of requests with one key, on any number of nodes, one acts: one
//     statement claims the key, and commits before the act begins;
//   - a key stands for one request: another one under it is refused;
//   - a claim whose process died is never given to another request. Whether it acted
//     nobody knows, and that is what is said;
//   - answers are sealed and go after a day. Of a request, and of the key, only a
//     value that means nothing without the keyset is kept: requests hold passwords.
//
// The API calls it; it knows nothing of HTTP.
package idempotency
