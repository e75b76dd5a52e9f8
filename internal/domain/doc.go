// Package domain owns how an organization shows that a domain is its own: a record
// in the domain's DNS with a random text of that organization's (the scheme of
// draft-ietf-dnsop-domain-verification-techniques), looked for when somebody asks
// and again every day.
//
// It promises:
//
//   - a domain becomes an organization's only after its record was seen, or because
//     the operator's file says so; until then nobody's user ID leads there;
//   - one that is proved stays whose it is: whoever else waits for it never gets in
//     the way, and learns at most, once the record was seen, that it is not free;
//   - a record that has gone is told and takes nothing away: a slip in the DNS must
//     not lock everybody out.
//
// Names in the DNS are looked up through the machine's resolver. No connection is
// made to an address that somebody else chose.
package domain
