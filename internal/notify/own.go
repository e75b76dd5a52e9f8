package notify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/wording"
)

// own is an organization's own text as it waits with its message.
type own struct {
	Name    string `json:"name"`
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text"`
	// What the organization says of its helpdesk.
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// nameOf is the name of a message in the room wording.
func nameOf(b Body, c Channel) string {
	switch b := b.(type) {
	case Code:
		purpose := oneOf(b.Purpose, purposes...)
		if c == ByText {
			return "sms." + purpose
		}
		return "code." + purpose
	case PasswordNotice:
		return "password." + oneOf(b.What, passwordNotices...)
	case MethodNotice:
		return "method." + oneOf(b.Action, methodNotices...)
	}
	return b.kind()
}

// ownText is the text that stands in the place of the product's; nil: none does.
func ownText(m Message, lang string) *own {
	if m.Channel == ByCall {
		return nil
	}
	name := nameOf(m.Body, m.Channel)
	t, ok := m.Org.TextOf(name, lang)
	if m.Own != nil {
		t, ok = *m.Own, true
	}
	if !ok {
		return nil
	}
	return &own{Name: name, Subject: t.Subject, Text: t.Text, Email: m.Org.Support.Email, Phone: m.Org.Support.Phone}
}

// put lays an organization's own text over a document. Everything of the product
// stays but the sentences that the text stands for: who asked and from where,
// that nobody asks for a code, the buttons. An error means that the product's own
// message has to go out.
func (c composer) put(d *document, body Body, o own) error {
	m, ok := wording.Find(o.Name)
	if !ok {
		return fmt.Errorf("there is no message %q to write", o.Name)
	}
	text := wording.Text{Message: o.Name, Language: d.Lang, Subject: o.Subject, Text: o.Text}
	if faults := text.Check(); len(faults) > 0 {
		return faults // a version before this one took it
	}
	values := c.values(body, o)
	fill := func(s string) string { return wording.Fill(s, func(name string) string { return values[name] }) }
	var blocks []block
	placed := make(map[part]bool)
	for _, p := range m.Parts(o.Text) {
		at, alone := places[p.Alone]
		if !alone {
			blocks = append(blocks, block{Text: fill(p.Text)})
			continue
		}
		placed[at] = true
		blocks = append(blocks, only(d.Blocks, at)...)
	}
	for _, b := range d.Blocks {
		if b.part != kept && b.part != replaced && !placed[b.part] {
			return errors.New("the text has no place for the code or a link")
		}
	}
	d.Blocks = append(blocks, only(d.Blocks, kept)...)
	d.Subject = plain(fill(o.Subject), maxSubject)
	d.Heading = d.Subject
	return nil
}

// maxSubject is a subject with the longest name of an organization in it.
const maxSubject = wording.LongestSubject + maxName

var places = map[string]part{wording.Code: ofCode, wording.Undo: ofUndo, wording.Dispute: ofDispute}

func only(blocks []block, p part) (some []block) {
	for _, b := range blocks {
		if b.part == p {
			some = append(some, b)
		}
	}
	return some
}

// values are what a text can name, cleaned as the product's own sentences have them.
func (c composer) values(body Body, o own) map[string]string {
	v := map[string]string{
		wording.Org: c.org, wording.SupportEmail: plain(o.Email, maxAddress), wording.SupportPhone: plain(o.Phone, maxName),
	}
	about := func(f circumstances) {
		v[wording.UserID], v[wording.Browser] = plain(f.UserID, maxUserID), c.browser(f.Browser)
		v[wording.Place], v[wording.SupportCode] = c.place(f.IP), supportCode(f.SupportCode)
		v[wording.Time] = c.p.DateTime(f.At)
	}
	switch b := body.(type) {
	case Code:
		about(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At})
		v[wording.Minutes] = strconv.Itoa(b.Minutes)
	case PasswordNotice:
		about(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At})
	case MethodNotice:
		about(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At})
		v[wording.Method] = c.t("notify.kind." + kindName(b.Kind))
	case RequestNotice:
		about(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At})
	case RequestAnswer:
		about(circumstances{UserID: b.UserID, SupportCode: b.SupportCode, At: b.At})
	case DisputeNotice:
		about(circumstances(b))
	case AdminNotice:
		about(circumstances(b))
	case RequestDigest:
		v[wording.Count], v[wording.Unassigned], v[wording.Time] = strconv.Itoa(b.Open), strconv.Itoa(b.Unassigned), c.p.DateTime(b.Oldest)
	case PhoneNotice:
		v[wording.Sent], v[wording.Passed], v[wording.Time] = strconv.Itoa(b.Sent), strconv.Itoa(b.Passed), c.p.DateTime(b.Until)
	}
	for name, value := range v {
		if value == "" {
			v[name] = "–"
		}
	}
	return v
}

// ownPhone is a text message in the organization's words. That nobody asks for
// the code, and the line that a browser reads, are the product's.
func (c composer) ownPhone(code Code, host string, o own) (string, error) {
	text := wording.Text{Message: o.Name, Language: c.p.Lang(), Text: o.Text}
	if faults := text.Check(); len(faults) > 0 {
		return "", faults
	}
	number := digits(code.Code)
	write := func(name string) string {
		values := map[string]string{wording.Code: number, wording.Org: name, wording.Minutes: strconv.Itoa(code.Minutes)}
		said := wording.Fill(strings.Join(strings.Fields(o.Text), " "), func(name string) string { return values[name] })
		return said + " " + c.t("notify.sms.never") + "\n@" + host + " #" + number
	}
	return fit(write, []rune(simple.Replace(c.org))), nil
}
