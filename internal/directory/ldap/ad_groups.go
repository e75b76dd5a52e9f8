package ldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// tokenGroups holds the security identifiers of all security groups of an
// account, nested ones and the primary one included. A domain controller computes
// it for one entry at a time, and only when it is asked for by name (MS-ADTS
// 3.1.1.4.5.19).
const tokenGroups = "tokenGroups"

// nobodySID is S-1-0-0.
var nobodySID = []byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// groupSIDs reads tokenGroups once for each found entry.
func (a *activeDirectory) groupSIDs(ctx context.Context, c *conn, e *ldap.Entry) ([]string, error) {
	kept := slices.IndexFunc(e.Attributes, func(x *ldap.EntryAttribute) bool { return strings.EqualFold(x.Name, tokenGroups) })
	if kept < 0 {
		found, err := c.read(ctx, e.DN, tokenGroups)
		if err != nil {
			return nil, err
		}
		mine := &ldap.EntryAttribute{Name: tokenGroups}
		if found != nil {
			mine.ByteValues = found.GetEqualFoldRawAttributeValues(tokenGroups)
		}
		kept, e.Attributes = len(e.Attributes), append(e.Attributes, mine)
	}
	var sids []string
	for _, b := range e.Attributes[kept].ByteValues {
		if sid := adSID(b); sid != "" {
			sids = append(sids, sid)
		}
	}
	return sids, nil
}

// groups are all groups of this domain that an account is in.
// Distribution groups are not in tokenGroups; the level-by-level search finds them,
// and everything else where the service account may not read tokenGroups.
func (a *activeDirectory) groups(ctx context.Context, c *conn, e *ldap.Entry) ([]membership, error) {
	if _, err := a.groupSIDs(ctx, c, e); err != nil {
		return nil, err
	}
	values := e.GetEqualFoldRawAttributeValues(tokenGroups)
	if len(values) == 0 {
		values = [][]byte{nobodySID} // nobody takes the time of somebody
	}
	of, err := a.d.memberGroups(ctx, c, e)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(values, groupsAsked) {
		var filter strings.Builder
		for _, b := range part {
			filter.WriteString("(objectSid=" + escapedBytes(b) + ")")
		}
		found, err := c.searchAll(ctx, a.d.groupBase(), "(|"+filter.String()+")", groupsAsked, a.d.set.Attributes.GroupName)
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			of = append(of, membership{g.DN, text(g, a.d.set.Attributes.GroupName)})
		}
	}
	return of, nil
}

// protectedRIDs end the identifiers of the groups of a domain whose members
// Active Directory protects (AdminSDHolder), and protectedBuiltin are those of the
// machine's own groups.
var (
	protectedRIDs = []string{
		"512", // Domain Admins
		"516", // Domain Controllers
		"518", // Schema Admins
		"519", // Enterprise Admins
		"521", // Read-only Domain Controllers
		"526", // Key Admins
		"527", // Enterprise Key Admins
	}
	protectedBuiltin = []string{
		"S-1-5-32-544", // Administrators
		"S-1-5-32-548", // Account Operators
		"S-1-5-32-549", // Server Operators
		"S-1-5-32-550", // Print Operators
		"S-1-5-32-551", // Backup Operators
		"S-1-5-32-552", // Replicator
	}
	protectedAccounts = []string{
		"500", // Administrator
		"502", // krbtgt
	}
)

// domainSID begins the identifiers of every domain.
const domainSID = "S-1-5-21-"

// protected tells whether one of the groups is protected. It knows sooner than
// adminCount, which a domain controller sets once an hour.
func protected(sids []string) bool {
	return slices.ContainsFunc(sids, func(sid string) bool {
		return slices.Contains(protectedBuiltin, sid) || endsWith(sid, protectedRIDs)
	})
}

func protectedAccount(sid string) bool { return endsWith(sid, protectedAccounts) }

func endsWith(sid string, rids []string) bool {
	at := strings.LastIndexByte(sid, '-')
	return strings.HasPrefix(sid, domainSID) && slices.Contains(rids, sid[at+1:])
}
