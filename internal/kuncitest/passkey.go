package kuncitest

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// Device is a person's device with one passkey on it, without a browser.
type Device struct {
	t    testing.TB
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

// Device is a new device for this product. The product must run at a name
// (Options.Localhost): at a number there are no passkeys.
func (p *Product) Device() *Device {
	p.t.Helper()
	u, err := url.Parse(p.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	return &Device{
		p.t, virtualwebauthn.RelyingParty{ID: u.Hostname(), Name: "Contoso", Origin: p.URL},
		virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2),
	}
}

// At is the same device as a phishing page at another origin would see it.
func (d *Device) At(origin string) *Device {
	other := *d
	other.rp.Origin = origin
	return &other
}

// Make gives what the browser sends after it made a passkey on the device.
func (d *Device) Make(options string) string {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		d.t.Fatalf("options %q: %v", options, err)
	}
	d.auth.Options.UserHandle = []byte(o.UserID)
	return virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.cred, *o)
}

// Belongs makes the device say that its passkey is of the same person as another's.
func (d *Device) Belongs(other *Device) { d.auth.Options.UserHandle = other.auth.Options.UserHandle }

// Excluded tells whether the browser is told not to make a passkey on this device.
func (d *Device) Excluded(options string) bool {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		d.t.Fatalf("options %q: %v", options, err)
	}
	return d.cred.IsExcludedForAttestation(*o)
}

// Named tells whether a text of the page names the device's passkey.
func (d *Device) Named(text string) bool {
	return strings.Contains(text, base64.RawURLEncoding.EncodeToString(d.cred.ID))
}

// Use gives what the browser sends after the person used the passkey.
func (d *Device) Use(options string) string {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		d.t.Fatalf("options %q: %v", options, err)
	}
	d.cred.Counter++
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.cred, *o)
}

// PasskeyOptions is what the page's script would ask the browser with.
func (p *Page) PasskeyOptions() string {
	for _, n := range p.Find(func(n *html.Node) bool { return Attribute(n, "data-passkey") != "" }) {
		return Attribute(n, "data-passkey")
	}
	return ""
}

// GivePasskey registers a device's passkey for somebody, below the pages.
func (p *Product) GivePasskey(userID string, d *Device) method.Method {
	p.t.Helper()
	contoso := p.Organization()
	a, err := p.App.Accounts.Find(p.t.Context(), contoso, userID)
	if err != nil {
		p.t.Fatal(err)
	}
	by := audit.Actor{Kind: audit.Person, Account: a.ID, UserID: userID}
	var m method.Method
	var c challenge.Challenge
	var options string
	p.write(func(tx *store.Tx) error {
		if m, err = p.App.Methods.NewPasskey(contoso.ID, a.ID, nil); err != nil {
			return err
		}
		if m, err = p.App.Methods.Add(p.t.Context(), tx, m); err != nil {
			return err
		}
		c, err = p.App.Challenges.Begin(p.t.Context(), tx, by, challenge.Start{
			Org: contoso, Account: a, Method: m, Purpose: challenge.Register, Owner: "session " + m.ID, Gate: 1,
		})
		if err != nil {
			return err
		}
		options, err = p.App.Challenges.Options(contoso, a, c, []method.Method{m}, tx.Now())
		return err
	})
	answer, err := p.App.Challenges.Prepare(p.t.Context(), m, d.Make(options))
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(func(tx *store.Tx) error {
		r, err := p.App.Challenges.Pass(p.t.Context(), tx, by, contoso, c, answer)
		if err != nil {
			return err
		}
		if r.Outcome != challenge.OutcomePassed {
			p.t.Errorf("registering a passkey: %+v", r)
		}
		m, err = p.App.Methods.SetProved(p.t.Context(), tx, contoso.ID, a.ID, m.ID, method.ByPerson)
		return err
	})
	return m
}

// AddPasskey stores a proved passkey that nobody's device holds, made for a host name.
func (p *Product) AddPasskey(userID, host string) {
	p.t.Helper()
	a, err := p.App.Accounts.Find(p.t.Context(), p.Organization(), userID)
	if err != nil {
		p.t.Fatal(err)
	}
	secret, err := method.Credential{ID: []byte(store.NewID()), PublicKey: []byte{0}, Handle: []byte{0}, RelyingParty: host}.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(func(tx *store.Tx) error {
		_, err := p.App.Methods.Add(p.t.Context(), tx, method.Method{
			OrgID: a.OrgID, AccountID: a.ID, Kind: method.Passkey, Secret: secret, Proved: true, ProvedBy: method.ByPerson,
		})
		return err
	})
}

func (p *Product) write(do func(tx *store.Tx) error) {
	p.t.Helper()
	if err := p.App.DB.Write(p.t.Context(), do); err != nil {
		p.t.Fatal(err)
	}
}
