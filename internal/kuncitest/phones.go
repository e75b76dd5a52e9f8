package kuncitest

import (
	"encoding/json"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/notify/notifytest"
)

// phones are gateways for texts and calls at an address.
func phones(url string, twilio bool) (sms, voice config.Gateway) {
	if twilio {
		g := config.Gateway{
			Provider: config.ProviderTwilio, Timeout: 2 * time.Second, AccountSID: notifytest.TwilioSID, Secret: notifytest.TwilioToken,
			From: "+14255550100", BaseURL: url,
		}
		return g, g
	}
	g := config.Gateway{
		Provider: config.ProviderHTTP, Timeout: 2 * time.Second, Method: "POST", URL: url + "/text", ContentType: "application/json",
		Body:           `{"to": "{to}", "text": "{text}", "code": "{code}", "extension": "{extension}", "id": "{id}"}`,
		SuccessPattern: `"status":"0"`,
	}
	sms, voice = g, g
	voice.URL = url + "/call"
	return sms, voice
}

// Sent is one text or call as the plain gateway got it.
type Sent struct {
	Path                          string `json:"-"`
	To, Text, Code, Extension, ID string
}

// Texts waits until n texts and calls have come to the plain gateway.
func (p *Product) Texts(t testing.TB, n int) []Sent {
	t.Helper()
	var all []Sent
	for _, a := range p.Phones.Wait(t, n) {
		s := Sent{Path: a.Path}
		if err := json.Unmarshal([]byte(a.Body), &s); err != nil {
			t.Fatalf("the gateway got %q: %v", a.Body, err)
		}
		all = append(all, s)
	}
	return all
}
