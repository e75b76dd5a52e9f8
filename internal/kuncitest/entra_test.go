package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
)

// Whoever comes from Microsoft Entra hands its policy over, reads what changed on the
// way, sees what it does to people and saves it: without a file or a command.
func TestAPolicyOfEntraIsTakenOverByAPI(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		const theirs = `{"objectId":"default","enablementType":2,"numberOfAuthenticationMethodsRequired":2,"emailOptionEnabled":true,
			"mobileAppCodeEnabled":true,"registrationReconfirmIntevalInDays":900,"somethingNew":"x"}`
		c := newProgram(t, p, "contoso", org.PolicyAdmin)
		got := c.do(http.MethodPost, api+"/policy/from-entra", theirs, "Accept-Language", "id")
		var taken struct {
			Policy json.RawMessage
			Notes  []string
		}
		if err := json.Unmarshal([]byte(got.body), &taken); err != nil || got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for _, want := range []string{"registration.reconfirm_after_days tadinya 900 dan di sini 730", "somethingNew tidak ada padanannya"} {
			if !slices.ContainsFunc(taken.Notes, func(n string) bool { return strings.Contains(n, want) }) {
				t.Errorf("no note says %q: %q", want, taken.Notes)
			}
		}
		if p.Organization().Policy.Reset.Gates != 1 {
			t.Error("something was saved")
		}
		if tried := c.do(http.MethodPost, api+"/policy/try", string(taken.Policy)); tried.status != http.StatusOK || !strings.Contains(tried.body, `"stranded"`) {
			t.Errorf("tried: %d %s", tried.status, tried.body)
		}
		tag := c.do(http.MethodGet, api+"/policy", "").header.Get("ETag")
		if put := c.do(http.MethodPut, api+"/policy", string(taken.Policy), "If-Match", tag); put.status != http.StatusOK {
			t.Fatalf("%d %s", put.status, put.body)
		}
		now := p.Organization().Policy
		if now.Reset.Gates != 2 || !slices.Equal(now.Reset.Methods, []method.Kind{method.AuthenticatorCode, method.HardwareToken, method.Email}) {
			t.Errorf("saved: %+v", now.Reset)
		}
		for _, wrong := range []string{`{"a":1}`, `{"enablementType":2,"enablementType":0}`, `{"enablementType":2,"EnablementType":0}`, `[]`} {
			if got := c.do(http.MethodPost, api+"/policy/from-entra", wrong); got.status != http.StatusUnprocessableEntity && got.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", wrong, got.status, got.body)
			}
		}
		if got := c.do(http.MethodPost, api+"/policy/from-entra", `{"a":1}`, "Accept-Language", "id"); !strings.Contains(got.body, "bukan kebijakan pengaturan ulang kata sandi") {
			t.Errorf("%s", got.body)
		}
	})
}
