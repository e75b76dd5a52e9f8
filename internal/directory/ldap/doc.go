// Package ldap is the directory that an organization already has: OpenLDAP,
// 389 Directory Server, FreeIPA or Active Directory, reached over LDAP.
//
// It promises, beside what directory.Directory promises:
//
//   - what a person types reaches a filter or a DN only escaped; of two entries
//     that match, none is taken; the value found is compared again with
//     directory.NormalizeUserID, because a server folds more than Kunci does;
//   - an account is known by the key that the server gave it for ever
//     (entryUUID, objectGUID …), so a renamed or moved one keeps its methods and a
//     recreated one inherits none;
//   - a password is judged by a bind on a connection of its own; an empty one is
//     never sent, because a server takes that for a visitor without a name;
//   - passwords travel in Unicode normalization form C, as keyboards give them to
//     every other program that signs in here;
//   - TLS is verified and never given up: nothing is sent over a connection that
//     did not become what the organization's file asks for; referrals are never
//     followed;
//   - a slow or dead directory is ErrUnavailable after seconds, at once when it
//     was seen dead a moment ago, and costs other organizations nothing: each has
//     its own connections, and few may wait for one;
//   - a write is read back from the server that took it; one whose answer was
//     lost is looked for before it is called undone.
//
// Wrong passwords are counted by the server, at its own threshold.
//
// One file per dialect says what differs between servers; the rest is one engine
// for all. Only the room app opens directories, and each is closed when its
// organization is configured anew.
package ldap
