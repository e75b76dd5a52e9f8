package web

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"kunci.dev/kunci/internal/web/portal"
)

func TestClientAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                        {"192.0.2.1:5", nil, "192.0.2.1"},
		"direct with a forged header":   {"192.0.2.1:5", []string{"127.0.0.1"}, "192.0.2.1"},
		"through one proxy":             {"10.1.1.1:5", []string{"192.0.2.7"}, "192.0.2.7"},
		"client wrote something before": {"10.1.1.1:5", []string{"127.0.0.1, 192.0.2.7"}, "192.0.2.7"},
		"through two proxies":           {"10.1.1.1:5", []string{"192.0.2.7, 10.2.2.2"}, "192.0.2.7"},
		"two header lines":              {"10.1.1.1:5", []string{"192.0.2.7", "10.2.2.2"}, "192.0.2.7"},
		"garbage at the end":            {"10.1.1.1:5", []string{"192.0.2.7, a"}, "10.1.1.1"},
		"empty header":                  {"10.1.1.1:5", []string{""}, "10.1.1.1"},
		"only proxies":                  {"10.1.1.1:5", []string{"10.9.9.9"}, "10.9.9.9"},
		"mapped":                        {"[::ffff:10.1.1.1]:5", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		"version 6":                     {"[2001:db8::1]:5", []string{"2001:db9::7%eth0"}, "2001:db9::7"},
		"fifty hops":                    {"10.1.1.1:5", []string{fifty()}, "10.0.0.1"},
		"no peer":                       {"pipe", []string{"192.0.2.7"}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		for _, line := range test.forwarded {
			r.Header.Add("X-Forwarded-For", line)
		}
		if got := clientAddress(r, trusted); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func fifty() string {
	s := "192.0.2.7"
	for range 50 {
		s += ",10.0.0.1"
	}
	return s
}

func TestUnsupported(t *testing.T) {
	for agent, want := range map[string]bool{
		"Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)":                                                                        true,
		"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko":                                                                   true,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763":       true,
		"Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/37.0.0.0 Mobile Safari/537.36":                true,
		"Mozilla/5.0 (X11; Linux x86_64; rv:52.0) Gecko/20100101 Firefox/52.0":                                                                    true,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 10_3 like Mac OS X) AppleWebKit/603.1.30 (KHTML, like Gecko) Version/10.0 Mobile/14E277 Safari/602.1": true,
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/128.0.0.0 Mobile Safari/537.36":                false,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0":           false,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1": false,
		"curl/8.0": false, "": false,
	} {
		if got := portal.Unsupported(agent); got != want {
			t.Errorf("%q: %v", agent, got)
		}
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("10.1.1.1:5", "192.0.2.7, a")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{forwarded}
		if got := clientAddress(r, trusted); got != "" {
			if _, err := netip.ParseAddr(got); err != nil {
				t.Errorf("%q is no address", got)
			}
		}
	})
}
