package org

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// withProvider is a file with an identity provider, and the folder of its files.
func withProvider(t *testing.T, change func(lines map[string]string)) (text, folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{"name": "Contoso ID", "issuer": "https://login.contoso.com", "client_id": "kunci", "client_secret_file": "secret"}
	if change != nil {
		change(lines)
	}
	text = small + "identity_provider:\n"
	for _, key := range []string{"name", "issuer", "client_id", "client_secret_file", "ca_file", "scopes", "user_id_claim", "second_factor", "second_factor_acr", "allowed_networks"} {
		if lines[key] != "" {
			text += "  " + key + ": " + lines[key] + "\n"
		}
	}
	return text, folder
}

func TestEveryKeyOfAProviderIsRead(t *testing.T) {
	text, folder := withProvider(t, nil)
	all, err := Parse(strings.NewReader(text), folder)
	if err != nil {
		t.Fatal(err)
	}
	p := all[0].IdentityProvider
	if !p.On() || p.Trusted() || p.Claim() != "preferred_username" || !slices.Equal(p.Scope(), []string{"openid", "profile", "email"}) || p.Networks() != nil {
		t.Errorf("by itself: %+v", p)
	}
	text, folder = withProvider(t, func(l map[string]string) {
		l["ca_file"], l["scopes"], l["user_id_claim"], l["second_factor"] = "secret", "[email]", "upn", "trust_amr"
		l["second_factor_acr"], l["allowed_networks"] = "[gold]", "[10.1.2.3/8]"
	})
	if all, err = Parse(strings.NewReader(text), folder); err != nil {
		t.Fatal(err)
	}
	want := IdentityProvider{
		Name: "Contoso ID", Issuer: "https://login.contoso.com", ClientID: "kunci", ClientSecretFile: filepath.Join(folder, "secret"),
		CAFile: filepath.Join(folder, "secret"), Scopes: []string{"email"}, UserIDClaim: "upn", SecondFactor: TrustAMR,
		SecondFactorACR: []string{"gold"}, AllowedNetworks: []string{"10.1.2.3/8"},
	}
	p = all[0].IdentityProvider
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if !slices.Equal(p.Scope(), []string{"openid", "email"}) || p.Networks()[0] != netip.MustParsePrefix("10.0.0.0/8") {
		t.Errorf("%v, %v", p.Scope(), p.Networks())
	}
}

func TestWhatIsWrongWithAProviderIsSaid(t *testing.T) {
	for value, says := range map[string]string{
		"issuer: http://login.contoso.com":           "exactly as its own description",
		"issuer: https://a:b@login.contoso.com":      "exactly as its own description",
		"issuer: https://login.contoso.com?tenant=1": "exactly as its own description",
		"issuer: \"\"":                 "expected the provider's address",
		"name: \"\"":                   "the name that people know",
		"client_id: \"\"":              "knows this installation",
		"client_secret_file: \"\"":     "holds the client's secret",
		"client_secret_file: nowhere":  "there is no file",
		"ca_file: nowhere":             "there is no file",
		"scopes: [offline_access]":     "nothing is kept",
		"scopes: [\"a b\"]":            "expected a scope",
		"user_id_claim: \"a b\"":       "claim that holds the user ID",
		"second_factor: always":        "expected ask, trust_amr",
		"second_factor_acr: [gold]":    "only with second_factor: trust_amr",
		"allowed_networks: [10.0.0.0]": "a network like 10.0.0.0/8",
	} {
		key, v, _ := strings.Cut(value, ": ")
		text, folder := withProvider(t, func(l map[string]string) { l[key] = v })
		_, err := Parse(strings.NewReader(text), folder)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "identity_provider."+key) {
			t.Errorf("%s: %v", value, err)
		}
	}
	// A program on this machine may be asked without TLS.
	text, folder := withProvider(t, func(l map[string]string) { l["issuer"] = "http://localhost:8082" })
	if _, err := Parse(strings.NewReader(text), folder); err != nil {
		t.Error(err)
	}
}
