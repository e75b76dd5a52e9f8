package ldap

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// byTime is for servers that note when an entry changed (RFC 4512, 3.4.2). Their
// clocks differ a little, and copies arrive late: each pass begins where the
// latest change seen lies, less an overlap.
type byTime struct{}

// listOverlap is longer than servers usually take to copy a change.
const listOverlap = 10 * time.Minute

const generalizedTime = "20060102150405Z"

var wholeSecond = regexp.MustCompile(`^[0-9]{14}(\.[0-9]+)?Z$`)

func (byTime) attribute() string { return "modifyTimestamp" }

func (byTime) begin(context.Context, *conn) (who, at string, err error) { return "", "", nil }

func (byTime) since(at string) string {
	t, ok := momentOf(at)
	if !ok {
		return ""
	}
	return "(modifyTimestamp>=" + t.Add(-listOverlap).UTC().Format(generalizedTime) + ")"
}

func (byTime) later(a, b string) string {
	before, ok := momentOf(a)
	after, fine := momentOf(b)
	switch {
	case !fine:
		return a
	case !ok || after.After(before):
		return b
	}
	return a
}

func momentOf(text string) (time.Time, bool) {
	if !wholeSecond.MatchString(text) {
		return time.Time{}, false
	}
	t, err := time.Parse(generalizedTime, text[:14]+"Z")
	return t, err == nil
}

// byUSN is for domain controllers, which number every change they write. The
// numbers are those of one database: it has a name of its own, which changes when
// it is restored (MS-ADTS 3.1.1.1.9).
type byUSN struct{}

func (byUSN) attribute() string { return "" }

func (byUSN) begin(ctx context.Context, c *conn) (who, at string, err error) {
	root, err := c.read(ctx, "", "highestCommittedUSN", "dsServiceName")
	if err != nil {
		return "", "", err
	}
	if root == nil {
		return "", "", noRights(fmt.Errorf("%s says nothing of itself", c.server))
	}
	service := root.GetEqualFoldAttributeValue("dsServiceName")
	settings, err := c.read(ctx, service, "invocationId")
	if err != nil {
		return "", "", err
	}
	if settings == nil || len(settings.GetEqualFoldRawAttributeValue("invocationId")) == 0 {
		return "", "", noRights(fmt.Errorf("the service account may not read invocationId of %s", service))
	}
	return adGUID(settings.GetEqualFoldRawAttributeValue("invocationId")), root.GetEqualFoldAttributeValue("highestCommittedUSN"), nil
}

func (byUSN) since(at string) string {
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil || n < 0 {
		return ""
	}
	return "(uSNChanged>=" + strconv.FormatInt(n+1, 10) + ")"
}

func (byUSN) later(a, b string) string {
	first, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return b
	}
	if second, err := strconv.ParseInt(b, 10, 64); err == nil && second > first {
		return b
	}
	return a
}

func (*openLDAP) changes() changes        { return byTime{} }
func (*ds389) changes() changes           { return byTime{} }
func (*freeIPA) changes() changes         { return byTime{} }
func (*activeDirectory) changes() changes { return byUSN{} }
