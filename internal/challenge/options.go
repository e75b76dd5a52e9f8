package challenge

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
)

// asked is how long a browser waits for the person's device, in milliseconds.
const asked = 5 * 60 * 1000

// descriptor names one passkey to the browser.
type descriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

// request is WebAuthn's PublicKeyCredentialRequestOptionsJSON.
type request struct {
	Challenge        string       `json:"challenge"`
	Timeout          int          `json:"timeout"`
	RPID             string       `json:"rpId"`
	AllowCredentials []descriptor `json:"allowCredentials,omitempty"`
	UserVerification string       `json:"userVerification"`
}

// creation is WebAuthn's PublicKeyCredentialCreationOptionsJSON.
type creation struct {
	RP                 entity                         `json:"rp"`
	User               user                           `json:"user"`
	Challenge          string                         `json:"challenge"`
	Parameters         []protocol.CredentialParameter `json:"pubKeyCredParams"`
	Timeout            int                            `json:"timeout"`
	ExcludeCredentials []descriptor                   `json:"excludeCredentials,omitempty"`
	Selection          selection                      `json:"authenticatorSelection"`
	Attestation        string                         `json:"attestation"`
}

type entity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type user struct {
	entity
	DisplayName string `json:"displayName"`
}

type selection struct {
	ResidentKey        string `json:"residentKey"`
	RequireResidentKey bool   `json:"requireResidentKey"`
	UserVerification   string `json:"userVerification"`
}

// Options gives what the page's script hands to the browser for an open
// challenge on a passkey, as JSON; empty for every other kind. mine are the
// account's methods as they are stored now. For a sign-in or a step-up the
// challenge need not be stored: it is enough that it says what it is for.
func (s *Service) Options(o *org.Organization, a account.Account, c Challenge, mine []method.Method, now time.Time) (string, error) {
	if c.Kind != method.Passkey || c.State != Open || s.passkeys == nil {
		return "", nil
	}
	if o == nil || o.ID != c.OrgID || a.ID != c.AccountID {
		return "", errors.New("passkey options: the challenge is another account's")
	}
	if c.Purpose == Register {
		return s.creationOptions(o, a, c, mine)
	}
	challenge := s.challengeOf(c)
	r := request{Timeout: asked, RPID: s.RelyingParty(), UserVerification: "required"}
	if c.Purpose != Reset {
		var err error
		if challenge, err = s.sealed(now, sessionUse(c)...); err != nil {
			return "", err
		}
		r.AllowCredentials = descriptors(mine)
	}
	r.Challenge = text(challenge)
	return encode(r)
}

func (s *Service) creationOptions(o *org.Organization, a account.Account, c Challenge, mine []method.Method) (string, error) {
	for _, m := range mine {
		if m.ID != c.MethodID {
			continue
		}
		record, err := m.Credential()
		if err != nil {
			return "", err
		}
		name := a.Entry.DisplayName
		if name == "" {
			name = a.Entry.UserID
		}
		return encode(creation{
			RP:        entity{s.RelyingParty(), o.Name},
			User:      user{entity{text(record.Handle), a.Entry.UserID}, name},
			Challenge: text(s.challengeOf(c)), Parameters: algorithms, Timeout: asked,
			ExcludeCredentials: descriptors(without(mine, m.Replaces)),
			Selection:          selection{ResidentKey: "required", RequireResidentKey: true, UserVerification: "required"},
			Attestation:        "none",
		})
	}
	return "", nil
}

// without leaves out the passkey that a new one takes the place of, which may be
// on the same device.
func without(mine []method.Method, id string) []method.Method {
	return slices.DeleteFunc(slices.Clone(mine), func(m method.Method) bool { return m.ID == id })
}

// descriptors names the passkeys that can be used, to those who proved enough to
// know of them.
func descriptors(mine []method.Method) []descriptor {
	var all []descriptor
	for _, m := range mine {
		if m.Kind != method.Passkey || !m.Usable() {
			continue
		}
		if record, err := m.Credential(); err == nil {
			all = append(all, descriptor{"public-key", text(record.ID), record.Transports})
		}
	}
	return all
}

// kept is what PublicKeyCredential.signalAllAcceptedCredentials takes.
type kept struct {
	RPID   string   `json:"rpId"`
	UserID string   `json:"userId"`
	IDs    []string `json:"allAcceptedCredentialIds"`
}

// Kept tells a person's browser, as JSON, which of their passkeys still count, so
// that it stops offering the others. deleted ones that can be brought back are
// kept. Empty where there are no passkeys.
func (s *Service) Kept(a account.Account, mine, deleted []method.Method) (string, error) {
	if s.passkeys == nil {
		return "", nil
	}
	all := append(append([]method.Method{}, mine...), deleted...)
	say := kept{RPID: s.RelyingParty(), UserID: text(s.methods.UserHandle(a.OrgID, a.ID, all)), IDs: []string{}}
	for _, m := range all {
		if m.Kind != method.Passkey || !m.Proved || m.Elsewhere || !m.DisabledAt.IsZero() {
			continue
		}
		record, err := m.Credential()
		if err != nil {
			return "", err
		}
		say.IDs = append(say.IDs, text(record.ID))
	}
	return encode(say)
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encode(options any) (string, error) {
	out, err := json.Marshal(options)
	if err != nil {
		return "", fmt.Errorf("passkey options: %w", err)
	}
	return string(out), nil
}
