package challenge_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/descope/virtualwebauthn"
)

var here = virtualwebauthn.RelyingParty{ID: "kunci.contoso.com", Name: "Contoso", Origin: "https://kunci.contoso.com"}

// phone is a person's device with one passkey on it.
type phone struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func newPhone(kind virtualwebauthn.KeyType) *phone {
	return &phone{here, virtualwebauthn.NewAuthenticator(), virtualwebauthn.NewCredential(kind)}
}

func (p *phone) make(t *testing.T, options string) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	p.auth.Options.UserHandle = []byte(o.UserID)
	p.auth.AddCredential(p.cred)
	return virtualwebauthn.CreateAttestationResponse(p.rp, p.auth, p.cred, *o)
}

// makeES384 makes a passkey that signs with an algorithm nobody asked for.
func (p *phone) makeES384(t *testing.T, options string) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	// {1: 2, 3: -35, -1: 2, -2: x, -3: y}, each coordinate of 48 bytes
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x38, 34, 0x20, 0x02, 0x21, 0x58, 48}, point[1:49]...)
	cose = append(append(cose, 0x22, 0x58, 48), point[49:]...)
	rp := sha256.Sum256([]byte(p.rp.ID))
	data := append(rp[:], 0x45, 0, 0, 0, 0) // present, verified, with a key
	data = append(append(append(data, make([]byte, 16)...), 0, byte(len(p.cred.ID))), p.cred.ID...)
	data = append(data, cose...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), byte(len(data)))
	object = append(object, data...)
	client, err := json.Marshal(map[string]string{"type": "webauthn.create", "challenge": base64.RawURLEncoding.EncodeToString(o.Challenge), "origin": p.rp.Origin})
	if err != nil {
		t.Fatal(err)
	}
	id := base64.RawURLEncoding.EncodeToString(p.cred.ID)
	out, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": map[string]any{
		"clientDataJSON": base64.RawURLEncoding.EncodeToString(client), "attestationObject": base64.RawURLEncoding.EncodeToString(object),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func (p *phone) use(t *testing.T, options string) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	return virtualwebauthn.CreateAssertionResponse(p.rp, p.auth, p.cred, *o)
}

// bend changes one member of an answer's client data. The device signs what came
// of it, so that nothing else is wrong.
func (p *phone) bend(t *testing.T, answer string, change func(response, client map[string]any)) string {
	t.Helper()
	var whole, client map[string]any
	if err := json.Unmarshal([]byte(answer), &whole); err != nil {
		t.Fatal(err)
	}
	response := whole["response"].(map[string]any)
	raw, err := base64.RawURLEncoding.DecodeString(response["clientDataJSON"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &client); err != nil {
		t.Fatal(err)
	}
	change(response, client)
	if raw, err = json.Marshal(client); err != nil {
		t.Fatal(err)
	}
	response["clientDataJSON"] = base64.RawURLEncoding.EncodeToString(raw)
	if data, ok := response["authenticatorData"].(string); ok && p != nil {
		said, err := base64.RawURLEncoding.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(raw)
		digest := sha256.Sum256(append(said, hash[:]...))
		signature, err := p.cred.Key.Sign(digest[:])
		if err != nil {
			t.Fatal(err)
		}
		response["signature"] = base64.RawURLEncoding.EncodeToString(signature)
	}
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
