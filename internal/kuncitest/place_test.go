package kuncitest_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/geoip/geoiptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// Where a request came from is said in words on the device that answers it, in
// the notice of the reset and in the request of "this wasn't me", and nowhere
// that is kept.
func TestMessagesSayWhereARequestCameFrom(t *testing.T) {
	path := geoiptest.Write(t, filepath.Join(t.TempDir(), "places.mmdb"), geoiptest.Bandung("203.0.113.0/24"),
		geoiptest.Place{Network: "198.51.100.0/24", Country: map[string]string{"en": "Singapore", "id": "Singapura"}})
	each(t, kuncitest.Options{Settings: func(c *config.Config) {
		c.GeoIP, c.TrustedProxies = path, []string{"127.0.0.0/8"}
	}}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		addDevice(t, me.Browser, "Ponsel")
		m := me.ofKind(method.AuthenticatorPush)
		p.Mail.Wait(t, 1) // of the new device
		stranger := p.Browser()
		stranger.Header.Set("X-Forwarded-For", "203.0.113.9")
		shown := number(toDevice(t, stranger, "alain@contoso.com", m.ID))
		device := me.Get("/push")
		if !strings.Contains(device.Text(), "Kota Bandung, Indonesia (203.0.113.9)") {
			t.Errorf("the device says:\n%s", device.Text())
		}
		me.Header.Set("Accept-Language", "en")
		if english := me.Get("/push").Text(); !strings.Contains(english, "Bandung, Indonesia (203.0.113.9)") || strings.Contains(english, "Kota") {
			t.Errorf("in English:\n%s", english)
		}
		me.Post("/push", "request", requestOn(t, device), "action", "approve", "code", shown).Want(http.StatusOK, "push-approve")
		stranger.Header.Set("X-Forwarded-For", "198.51.100.20") // the phone went on by another network
		stranger.Get("/reset/verify").Want(http.StatusOK, "reset-password")
		stranger.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		notice := p.Mail.Wait(t, 2)[1].Parse(t).Text
		if !strings.Contains(notice, "Singapura (198.51.100.20)") {
			t.Errorf("the notice:\n%s", notice)
		}
		link := regexp.MustCompile(`/reset/dispute/\S+`).FindString(notice)
		for i, from := range []struct{ address, says string }{{"", "jaringan pribadi (127.0.0.1)"}} {
			b := p.Browser()
			if from.address != "" {
				b.Header.Set("X-Forwarded-For", from.address)
			}
			b.Get(link)
			b.Post(link)
			if dispute := p.Mail.Wait(t, 3+i)[2+i].Parse(t).Text; !strings.Contains(dispute, from.says) {
				t.Errorf("the request of support:\n%s", dispute)
			}
		}
		if p.Holds("Bandung") || p.Holds("Singapura") || strings.Contains(fmt.Sprint(p.Events()), "Bandung") || strings.Contains(p.Logged.String(), "Bandung") {
			t.Error("a place is kept")
		}
	})
}

// Without a database, or where it knows nothing, the address stands for itself.
func TestAnUnknownPlaceIsItsAddress(t *testing.T) {
	path := geoiptest.Write(t, filepath.Join(t.TempDir(), "places.mmdb"), geoiptest.Bandung("203.0.113.0/24"))
	for name, file := range map[string]string{"unknown": path, "no database": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := kuncitest.Start(t, kuncitest.Options{Settings: func(c *config.Config) {
				c.GeoIP, c.TrustedProxies = file, []string{"127.0.0.0/8"}
			}})
			for i, c := range []struct{ from, want, not string }{
				{"192.0.2.5", "192.0.2.5", "(192.0.2.5)"}, {"10.1.2.3", "jaringan pribadi (10.1.2.3)", "Bandung"}, {"2001:db8::5", "2001:db8::5", "(2001"},
			} {
				b := p.Browser()
				b.Header.Set("X-Forwarded-For", c.from)
				toCode(t, b, []string{"alain@contoso.com", "hana@contoso.com", "alain@contoso.com"}[i])
				if text := p.Mail.Wait(t, i+1)[i].Parse(t).Text; !strings.Contains(text, c.want) || strings.Contains(text, c.not) {
					t.Errorf("from %s:\n%s", c.from, text)
				}
			}
		})
	}
}
