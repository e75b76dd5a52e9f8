package portal

import (
	"net/http"
	"strings"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/web/page"
)

// recoveryPage says what recovery codes are, then shows them once.
type recoveryPage struct {
	addForm
	Set    string // id of the set that new codes would replace, empty: none
	Left   int    // of that set
	Codes  []string
	Sealed string // the codes, for the form that gives them as a file
	Org    string
	Made   string
}

// currentSet is the recovery codes a person has.
func currentSet(v visitor) method.Method {
	for _, m := range v.Methods {
		if m.Kind == method.RecoveryCode && m.Proved {
			return m
		}
	}
	return method.Method{}
}

// recoveryBegins makes codes at once where none are lost by it; else the page
// says so first and sends which set it spoke of.
func recoveryBegins(v visitor, form page.Form) bool {
	_, told := form["set"]
	return told || currentSet(v).ID == ""
}

func showRecovery(p *Portal, r *http.Request, s adding) (string, page.Page, *page.Base, error) {
	if len(s.codes) == 0 {
		set := currentSet(s.v)
		shown := &recoveryPage{addForm: s.form("title"), Set: set.ID, Left: set.CodesLeft()}
		return "securityinfo_recovery", shown, &shown.Base, nil
	}
	sealed, err := p.SecurityInfo.SealCodes(s.v.who(), s.codes)
	shown := &recoveryPage{
		addForm: s.form("shown.title"), Codes: s.codes, Sealed: sealed, Org: s.v.Org.Name, Made: s.v.printer(r).Date(p.DB.Now()),
	}
	shown.BackTo = ""
	return "securityinfo_recovery", shown, &shown.Base, err
}

// postCodes gives codes that were just shown as a file.
func (p *Portal) postCodes(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	return p.person(w, r, infoPath, func(v visitor) error {
		codes, err := p.SecurityInfo.OpenCodes(v.who(), form["codes"])
		if err != nil {
			return err
		}
		say := v.printer(r)
		lines := []string{
			say.T("securityinfo.recovery_code.file.title", "org", v.Org.Name), v.Account.Entry.UserID, say.Date(p.DB.Now()), "",
		}
		lines = append(lines, codes...)
		lines = append(lines, "", say.T("securityinfo.recovery_code.file.advice"), p.PublicURL+"/reset", "")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
		_, err = w.Write([]byte(strings.Join(lines, "\r\n"))) //nolint:gosec // plain text, kept as a file
		return err
	})
}
