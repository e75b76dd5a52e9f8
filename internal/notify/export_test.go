package notify

import "net/url"

// Signed, Sign and ReportOf show tests what is inside a call-back.
func Signed(t *Twilio, address string, form url.Values, signature string) bool {
	return t.signed(address, form, signature)
}

func Sign(t *Twilio, address string, form url.Values) string { return t.signature(address, form) }

func ReportOf(id string, form url.Values) Report { return report(id, form) }
