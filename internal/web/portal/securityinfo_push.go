package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/web/page"
)

// pushAddPage makes the browser it is shown in a device, and has its person type
// the number once.
type pushAddPage struct {
	addForm
	Number string
	Push   page.PushKey
}

func showPush(p *Portal, _ *http.Request, s adding) (string, page.Page, *page.Base, error) {
	shown := &pushAddPage{}
	if s.pending == nil {
		shown.addForm = s.form("title")
		return "securityinfo_push", shown, &shown.Base, nil
	}
	shown.addForm, shown.Number, shown.Push.Key = s.form("verify.title"), s.pending.Number, p.PushKey
	return "securityinfo_push", shown, &shown.Base, nil
}
