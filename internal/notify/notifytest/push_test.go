package notifytest

import (
	"crypto/ecdh"
	"encoding/base64"
	"testing"
)

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The browser of the tests opens the message of RFC 8291, section 5, so that what
// it opens of ours is what every browser opens; and nothing that was changed.
func TestTheBrowserOpensTheMessageOfTheRFC(t *testing.T) {
	key, err := ecdh.P256().NewPrivateKey(bytesOf(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
	if err != nil {
		t.Fatal(err)
	}
	p := &PushService{t: t, key: key, auth: bytesOf(t, "BTBZMqHH6r4Tts7J_aSIgg")}
	body := bytesOf(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	if text, err := p.open(body); err != nil || text != "When I grow up, I want to be a watermelon" {
		t.Errorf("%q, %v", text, err)
	}
	body[len(body)-1] ^= 1
	if text, err := p.open(body); err == nil {
		t.Errorf("a changed message says %q", text)
	}
}

// The token of RFC 8292, section 2.4, is good for another service and long over,
// so that it fails by its claims and not before.
func TestWhoSentAMessageIsJudged(t *testing.T) {
	p := &PushService{t: t, URL: "https://push.example.net"}
	const token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA"
	const key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
	for header, want := range map[string]string{
		"vapid t=" + token + ", k=" + key:                    "the claims ",
		"vapid t=" + token[:len(token)-4] + "AAAA, k=" + key: "the token is not signed by its key",
		"vapid t=" + token[:len(token)-20] + ", k=" + key:    "the signature of the token",
		"WebPush " + token:                                   "the authorization ",
	} {
		if _, err := p.sender(header); err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("%.20s…: %v, want %q", header, err, want)
		}
	}
}
