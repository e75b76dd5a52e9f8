package report_test

import (
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/report"
)

// A pass that an administrator issued for the moment makes nobody registered.
func TestAPassIsNoRegistration(t *testing.T) {
	o := &org.Organization{ID: "contoso", Policy: org.Defaults()}
	e := directory.Entry{UserID: "alain@contoso.com", Source: directory.Managed}
	if report.Registered(o, e, []method.Kind{method.TemporaryAccessPass}) {
		t.Error("registered by a pass")
	}
	if !report.Registered(o, e, []method.Kind{method.TemporaryAccessPass, method.Email}) {
		t.Error("a pass takes a registration away")
	}
}
