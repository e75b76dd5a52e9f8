package e2e

import (
	"encoding/base32"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// withApp gives somebody an authenticator app and what it shows now.
func withApp(t *testing.T, p *kuncitest.Product, userID string) (shows func() string) {
	t.Helper()
	o := p.Organization()
	a, err := p.App.Accounts.Find(t.Context(), o, userID)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := method.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	err = p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
		for _, name := range []string{"Ponsel", "Tablet"} {
			m := method.Method{OrgID: o.ID, AccountID: a.ID, Kind: method.AuthenticatorCode, Name: name, Secret: seed, Proved: true, ProvedBy: method.ByPerson}
			if name == "Tablet" {
				if m.Secret, err = method.NewSeed(); err != nil {
					return err
				}
			}
			if _, err := p.App.Methods.Add(t.Context(), tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		code, err := totp.GenerateCode(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
}

func (b *tab) alert(want string) *tab {
	b.t.Helper()
	if got := b.attribute(`[role="alert"]`, "data-error"); got != want {
		b.t.Errorf("alert %q, want %q", got, want)
	}
	return b
}

func TestSigningInInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			shows := withApp(t, p, "alain@contoso.com")
			b := openTab(t, p.URL, on)
			b.open("/password", "signin").shot("s1-signin")
			b.fill("user_id", "alain@contoso.com").press().at("signin-password").shot("s2-password")
			b.fill("password", "not this one").press().at("signin-password").alert("signin-wrong").shot("s3-wrong")
			b.fill("password", kuncitest.OldPassword).press().at("signin-verify").shot("s4-verify")
			b.open("/signin/verify?other&next=/password", "signin-verify").shot("s5-choose")
			b.press().at("signin-verify").fill("code", "000000").press().at("signin-verify").alert("code-wrong")
			b.fill("code", shows()).press().at("password").shot("s6-change")
			b.fill("current_password", kuncitest.OldPassword).fill("new_password", "short").fill("confirm_password", "short").press()
			b.at("password").alert("password-refused").shot("s7-refused")
			b.fill("current_password", kuncitest.OldPassword).fill("new_password", newPassword).fill("confirm_password", newPassword).press()
			b.at("password").shot("s8-changed")
			b.open("/accounts", "accounts").shot("s9-accounts")
			b.open("/password", "password").leave().click(`form[action="/signout"] button`).at("signin").shot("s10-signed-out")
		})
	}
}

func TestTheInterruptInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices[:3] {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			b := openTab(t, p.URL, on)
			b.open("/signin", "signin").fill("user_id", "citra@contoso.com").press()
			b.at("signin-password").fill("password", kuncitest.OldPassword).press().at("interrupt").shot("i1-register")
			a, err := p.App.Accounts.Find(t.Context(), p.Organization(), "alain@contoso.com")
			if err != nil {
				t.Fatal(err)
			}
			err = p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Exec(t.Context(), `UPDATE account SET registered_at = 1, reconfirmed_at = 1 WHERE id = $1`, a.ID)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			b.open("/signin", "signin").fill("user_id", "alain@contoso.com").press()
			b.at("signin-password").fill("password", kuncitest.OldPassword).press().at("interrupt").shot("i2-confirm")
			b.open("/accounts", "accounts").shot("i3-accounts")
			b.open("/signin/verify", "signin-verify").shot("i4-password-again")
		})
	}
}
