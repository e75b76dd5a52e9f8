package portal

import (
	"net/http"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// sessionCookie holds the token of the browser.
const sessionCookie = page.SessionCookie

// visitor is somebody who is signed in all the way.
type visitor struct {
	signin.Signed
	by audit.Actor
}

// printer writes in the page's language, with times as the organization's clocks show them.
func (v visitor) printer(r *http.Request) *i18n.Printer { return printerOf(r).In(v.Org.TimeZone) }

// visitor gives who is signed in. The second result tells that the answer has
// been given: the browser was sent to what is still to be done first.
func (p *Portal) visitor(w http.ResponseWriter, r *http.Request) (visitor, bool, error) {
	signed, err := p.SignIn.Current(r.Context(), p.cookie(r, sessionCookie))
	switch {
	case problem.Has(err, problem.SignedOut):
		return visitor{}, true, page.See(w, r, after("/signin", r))
	case err != nil:
		return visitor{}, true, err
	case signed.Session.Level != session.Full:
		return visitor{}, true, page.See(w, r, after("/signin/verify", r))
	case signed.Session.MustChange && r.URL.Path != "/password":
		return visitor{}, true, page.See(w, r, "/password")
	}
	return visitor{signed, signed.Actor(page.Actor(r))}, false, nil
}

// stepUp sends somebody whose proof is not fresh enough to prove it again, and
// then on to a page that GET shows.
func stepUp(w http.ResponseWriter, r *http.Request, next string) error {
	return page.See(w, r, withNext("/signin/verify", next))
}

// after adds to a path where to go on when it is done: the page that was asked
// for, which is one that GET shows.
func after(path string, r *http.Request) string {
	if r.URL.Path == infoPath+"/codes" {
		return withNext(path, infoPath) // only POST is answered there
	}
	if query := r.URL.Query(); r.URL.Path == addPath && r.Method == http.MethodGet {
		return withNext(path, addNext(query.Get("kind"), query.Get("replaces")))
	}
	return withNext(path, r.URL.Path)
}

// addNext is where to go on with registering a kind, or with replacing a method.
func addNext(kind, replaces string) string {
	if to := nextPath(infoPath + "/" + replaces + "/change"); replaces != "" && to != "" {
		return to
	}
	if _, known := method.ParseKind(kind); known {
		return addPath + "?kind=" + kind
	}
	return addPath
}

// nextPath is a path as a place to go on at, empty when it is none: only our
// own pages of signed-in people, never an address of elsewhere (CWE-601).
func nextPath(path string) string {
	if kind, ok := strings.CutPrefix(path, addPath+"?kind="); ok {
		if _, known := method.ParseKind(kind); known {
			return path
		}
	}
	for _, start := range []string{"/security-info", "/password", "/interrupt", "/console"} {
		if path == start || strings.HasPrefix(path, start+"/") && !strings.ContainsAny(path, "\\?#%\r\n") && !strings.Contains(path, "//") && !strings.Contains(path, "..") {
			return path
		}
	}
	return ""
}
