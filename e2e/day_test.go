package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// day is an administrator's day: the product, who administers, and a person.
type day struct {
	t        *testing.T
	p        *kuncitest.Product
	settings *config.Config
	slapd    *ldaptest.Slapd
	desk     *tab // Adele's
	pass     string
	proofs   string // the folder of what was downloaded
	mails    int    // that were read
}

// An administrator connects a directory, raises what a reset needs, sees people
// register, helps somebody who is locked out, and proves what happened with a
// program that is not ours.
func TestAnAdministratorsDayInChromium(t *testing.T) {
	t.Parallel()
	for _, as := range []struct {
		kind         store.Kind
		desk, person device
	}{
		{store.SQLite, device{name: "day-wide-en", width: 1280, height: 900, language: "en", scripts: true}, device{name: "day-phone-id", width: 360, height: 740, language: "id", scripts: true}},
		{store.PostgreSQL, device{name: "day-phone-id-noscript", width: 360, height: 740, language: "id"}, device{name: "day-narrow-en", width: 320, height: 640, language: "en", dark: true}},
	} {
		t.Run(as.desk.name, func(t *testing.T) {
			d := &day{t: t, slapd: ldaptest.StartSlapd(t, ldaptest.SlapdOptions{}), proofs: t.TempDir()}
			var members []string
			for _, who := range []string{"adele", "alain", "citra"} {
				members = append(members, d.slapd.AddPerson(t, who+"@contoso.com", kuncitest.OldPassword, nil))
			}
			d.slapd.Add(t, "cn=staff,"+ldaptest.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"staff"}, "member": members})
			d.p = kuncitest.Start(t, kuncitest.Options{
				Kind: as.kind, WallClock: true, Accounts: "user_id,password,email\nadele@contoso.com," + kuncitest.OldPassword + ",adele@example.net\n",
				Organization: strings.Replace(kuncitest.Contoso, "\npolicy:", "\ndirectory: {kind: embedded, allowed_networks: [127.0.0.0/8]}\npolicy:", 1),
				Settings:     func(c *config.Config) { d.settings = c },
			})
			d.signIn(as.desk)
			d.connect()
			d.look()
			d.raise()
			d.watch(as.person)
			person := d.locked(as.person)
			d.handle()
			d.backIn(person)
			d.prove()
		})
	}
}

func (d *day) signIn(on device) {
	d.t.Helper()
	shows := withApp(d.t, d.p, "adele@contoso.com")
	d.desk = openTabFor(d.t, d.p.URL, on, 4*patience)
	d.desk.visit("/console", "signin")
	d.identify(shows)
	d.desk.to("console-overview").shot("00-overview")
}

// identify goes from the page that asks who it is to the console.
func (d *day) identify(shows func() string) {
	d.t.Helper()
	d.desk.fill("user_id", "adele@contoso.com").press().to("signin-password").fill("password", kuncitest.OldPassword).press()
	d.desk.to("signin-verify").fill("code", shows()).press()
}

// connect names the directory, without a shell, and is told what is wrong with the
// first try. Who is in it begins anew: their methods come by a file.
func (d *day) connect() {
	d.t.Helper()
	b, held := d.desk, make(map[string]string)
	for _, name := range []string{d.slapd.PasswordFile, d.slapd.Authority.File} {
		text, err := os.ReadFile(name)
		if err != nil {
			d.t.Fatal(err)
		}
		held[name] = strings.TrimSpace(string(text))
	}
	password := held[d.slapd.PasswordFile]
	b.open("/console/directory", "console-directory").shot("01-connect")
	b.fill("urls", d.slapd.URL).fill("bind_dn", ldaptest.Service).fill("bind_password", "another one").fill("base_dn", ldaptest.People)
	settingsWrite(b, "authorities", held[d.slapd.Authority.File])
	b.leave().click(`input[name="leave_accounts"]`).click(`button[value="save"]`).at("console-directory").shot("01a-not-well")
	if got := b.attribute(`[role="alert"]`, "data-error"); got != "directory-not-well" || d.p.Organization().Version != 1 {
		d.t.Errorf("a wrong password: %q", got)
	}
	b.fill("bind_password", password).leave().click(`button[value="try"]`).at("console-directory").shot("01b-well")
	b.fill("bind_password", password).leave().click(`button[value="save"]`).at("signin")
	d.p.Import("contoso", "user_id,email\nadele@contoso.com,adele@example.net\nalain@contoso.com,alain@example.net\ncitra@contoso.com,citra@example.net\n")
	d.identify(withApp(d.t, d.p, "adele@contoso.com"))
	b.to("console-overview").visit("/console/settings", "console-settings").shot("02-settings")
	if text := b.words("main"); !strings.Contains(text, d.slapd.URL) || strings.Contains(text, password) {
		d.t.Errorf("the settings say of the directory: %s", text)
	}
	for _, c := range d.directoryChecks() {
		if !c.OK {
			d.t.Errorf("doctor: %s: %s", c.Name, c.Text)
		}
	}
}

func (d *day) directoryChecks() (all []app.Check) {
	d.t.Helper()
	for _, c := range app.Doctor(d.t.Context(), d.settings, app.Options{Log: slog.New(slog.DiscardHandler)}) {
		if strings.HasPrefix(c.Name, "directory contoso") {
			all = append(all, c)
		}
	}
	if len(all) < 3 {
		d.t.Fatalf("doctor looked at %+v", all)
	}
	return all
}

// look finds at the page of the directory what is wrong with a connection before it is
// anybody's, and that the one that stands finds people.
func (d *day) look() {
	d.t.Helper()
	b := d.desk
	try := func(base string, want bool) {
		d.t.Helper()
		b.visit("/console/directory", "console-directory")
		settingsWrite(b, "base_dn", base)
		b.fill("sample", "alain@contoso.com").leave().click(`button[value="try"]`).to("console-directory")
		said := b.html("main")
		if found := strings.Contains(said, `data-finding="directory.finding.sample.ok"`); found != want || strings.Contains(said, "another one") {
			d.t.Errorf("trying %s says: %s", base, b.words("main"))
		}
	}
	try("ou=nobody,"+ldaptest.People, false)
	b.shot("02a-wrong")
	try(ldaptest.People, true)
	b.shot("02b-right")
}

// raise has a reset need two proofs, having seen whom that strands.
func (d *day) raise() {
	d.t.Helper()
	b := d.desk
	b.visit("/console/policy", "console-policy")
	settingsWrite(b, "reset.gates", "2")
	b.leave().click(`button[value="preview"]`).to("console-policy").shot("03-policy")
	effect := b.words("main")
	if said := map[string]string{"en": "2 people could no longer reset", "id": "2 orang tidak lagi bisa mengatur ulang"}[b.on.language]; !strings.Contains(effect, said) {
		d.t.Errorf("before it is saved the page does not say %q: %s", said, effect)
	}
	if d.p.Organization().Policy.Reset.Gates != 1 {
		d.t.Error("it was saved unseen")
	}
	b.leave().click(`button[value="save"]`).to("console-policy").shot("04-saved")
	if d.p.Organization().Policy.Reset.Gates != 2 {
		d.t.Error("it was not saved")
	}
	// A directory that is not listed: Adele was met here as well, before it was connected.
	if got := d.figure("/console", "console-overview", 3); got != "2" {
		d.t.Errorf("%s can reset now", got)
	}
}

// figure reads a figure of registration; they stand on the overview and in the reports.
func (d *day) figure(path, page string, n int) string {
	d.t.Helper()
	// A directory of somebody else's is counted in the background.
	if err := d.p.App.Report.Snapshot(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	d.desk.visit(path, page)
	index := n
	if page == "console-reports" {
		index += 4 // what was done stands before who can
	}
	all := figures.FindAllStringSubmatch(d.desk.html("main"), -1)
	if len(all) <= index {
		d.t.Fatalf("%s shows %v", page, all)
	}
	return all[index][1]
}

// watch sees a person register an app on a phone.
func (d *day) watch(on device) {
	d.t.Helper()
	b := openTabFor(d.t, d.p.URL, on, 2*patience)
	b.visit("/security-info", "signin").fill("user_id", "alain@contoso.com").press()
	b.to("signin-password").fill("password", kuncitest.OldPassword).press().to("interrupt").shot("05-asked")
	b.visit("/security-info/add?kind=authenticator_code", "security-info-add").press().to("security-info-add").shot("06-app")
	key, err := otp.NewKeyFromURL(b.attribute(`a[href^="otpauth:"]`, "href"))
	if err != nil {
		d.t.Fatal(err)
	}
	code, err := totp.GenerateCode(key.Secret(), time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	b.fill("code", code).press().to("security-info").shot("07-registered")
	if got := d.figure("/console", "console-overview", 3); got != "3" {
		d.t.Errorf("the overview says that %s can reset", got)
	}
	d.desk.shot("08-overview")
	if got := d.figure("/console/reports", "console-reports", 3); got != "3" {
		d.t.Errorf("the reports say that %s can reset", got)
	}
	if text := d.desk.words("main"); !strings.Contains(text, map[string]string{"en": "Authenticator app", "id": "Aplikasi autentikator"}[d.desk.on.language]) {
		d.t.Error("the reports do not show the app")
	}
	d.desk.shot("09-reports")
}

// locked is a person at a dead end who asks for help.
func (d *day) locked(on device) *tab {
	d.t.Helper()
	b := openTabFor(d.t, d.p.URL, on, 2*patience)
	b.visit("/reset", "reset-identify").fill("user_id", "citra@contoso.com").press().to("reset-problem").shot("10-dead-end")
	if got := b.attribute("main", "data-problem"); got != "not-verified" {
		d.t.Errorf("the dead end is %s", got)
	}
	b.press().to("reset-contact").fill("message", "Saya di loket tiga, ponsel saya baru.").press().to("reset-contact-sent").shot("11-sent")
	return b
}

// handle takes the request, makes sure who calls, issues a pass, answers and closes.
func (d *day) handle() {
	d.t.Helper()
	b := d.desk
	b.visit("/console/requests", "console-requests").shot("12-requests")
	request := b.attribute(`tbody a`, "href")
	b.leave().click(`tbody a`).to("console-request")
	b.leave().click(`button[value="assign"]`).to("console-request").shot("13-mine")
	person := b.attribute(`dd a[href^="/console/people/"]`, "href")
	b.leave().click(`dd a[href^="/console/people/"]`).to("console-person")
	b.leave().click(`button[value="send_code"]`).to("console-person").shot("14-code-sent")
	b.fill("code", d.codeTo("citra@example.net")).leave().click(`button[value="verify_code"]`).to("console-person")
	if b.attribute(`[data-caller]`, "data-caller") != "verified" {
		d.t.Error("who calls is not verified")
	}
	b.shot("15-verified").leave().click(`button[value="issue_pass"]`).to("console-person").shot("16-pass")
	d.pass = strings.TrimSpace(b.words(".pass"))
	b.visit(person, "console-person")
	if strings.Contains(b.words("main"), d.pass) {
		d.t.Error("the pass is shown again")
	}
	b.visit(request, "console-request").fill("text", "Silakan masuk dengan kode akses dari petugas.").leave().click(`button[value="answer"]`).to("console-request").shot("17-answered")
	d.mailTo("citra@example.net", func(text string) bool { return strings.Contains(text, "Silakan masuk dengan kode akses dari petugas.") })
	b.fill("note", "Ditelepon; kode dibacakan dengan benar.").press().to("console-requests").shot("18-resolved")
	if !d.p.Has(audit.RequestResolved) || !d.p.Has(audit.CallerVerified) {
		d.t.Error("it is not in the log")
	}
}

// backIn has the person reset the password with what they were given.
func (d *day) backIn(b *tab) {
	d.t.Helper()
	b.visit("/reset", "reset-identify").fill("user_id", "citra@contoso.com").press().to("reset-choose").shot("19-choose")
	b.leave().click(`label.choice:not(:has(bdi))`).click(`main .primary`) // the pass: a mailbox shows its address
	b.to("reset-verify").fill("code", d.pass).press().to("reset-choose").press().to("reset-verify").shot("20-second")
	b.fill("code", d.codeTo("citra@example.net")).press().to("reset-password")
	b.fill("new_password", newPassword).fill("confirm_password", newPassword).press().to("reset-done").shot("21-done")
	contoso := d.p.Organization()
	a, err := d.p.App.Accounts.Find(d.t.Context(), contoso, "citra@contoso.com")
	if err != nil {
		d.t.Fatal(err)
	}
	there, err := d.p.App.Accounts.Directory(contoso)
	if err != nil {
		d.t.Fatal(err)
	}
	if got, err := there.CheckPassword(d.t.Context(), a.Entry.Key, newPassword); err != nil || got != directory.OK {
		d.t.Errorf("the new password in slapd: %v, %v", got, err)
	}
}

// prove exports the log from the browser and has another program judge the files.
func (d *day) prove() {
	d.t.Helper()
	b := d.desk
	if err := d.p.App.Audit.Run(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	b.visit("/console/audit", "console-audit").shot("22-audit")
	events := b.keep(d.proofs, `form[action="/console/audit/export"] button`, "kunci-audit.ndjson")
	proof := b.keep(d.proofs, `tbody a[href$="/proof"]`, "kunci-proof.json")
	checkpoint := b.keep(d.proofs, `a[href="/console/audit/checkpoint"]`, "kunci.checkpoint")

	// The operator's part: the sealed records and the public key.
	public, err := d.p.App.Audit.PublicKey()
	if err != nil {
		d.t.Fatal(err)
	}
	var sealed bytes.Buffer
	if _, _, err := d.p.App.Audit.ExportLeaves(d.t.Context(), &sealed, audit.Actor{Kind: audit.CLI}); err != nil {
		d.t.Fatal(err)
	}
	records := filepath.Join(d.proofs, "sealed.ndjson")
	if err := os.WriteFile(records, sealed.Bytes(), 0o600); err != nil {
		d.t.Fatal(err)
	}

	lines, err := os.ReadFile(events)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, kind := range []audit.Kind{audit.PolicyChanged, audit.MethodAdded, audit.RequestOpened, audit.CallerVerified, audit.RequestResolved, audit.TapIssued, audit.ResetCompleted} {
		if !bytes.Contains(lines, []byte(`"`+string(kind)+`"`)) {
			d.t.Errorf("the export holds no %s", kind)
		}
	}
	for _, never := range []string{"adele@", "alain@", "citra@", "loket tiga", d.pass} {
		if bytes.Contains(lines, []byte(never)) {
			d.t.Errorf("the export holds %s", never)
		}
	}
	// The export itself is in the log as well, after what it exported.
	if said, ok := verifyAudit(d.t, "log", records, checkpoint, public, events); !ok || !strings.Contains(said, "none is missing") || bytes.Count(lines, []byte("\n")) < 20 {
		d.t.Errorf("the export does not hold: %s", said)
	}
	if said, ok := verifyAudit(d.t, "proof", proof, public); !ok {
		d.t.Errorf("the proof does not hold: %s", said)
	}

	// What somebody changed after that is found: an event, a record, a proof.
	changed := filepath.Join(d.proofs, "changed")
	for _, c := range []struct {
		file, old, new string
		args           []string
	}{
		{events, `"request.resolved"`, `"request.opened"`, []string{"log", records, checkpoint, public, changed}},
		{records, `"leaf_index":3,"leaf_hash_input":"`, `"leaf_index":3,"leaf_hash_input":"AA`, []string{"log", changed, checkpoint, public}},
		{proof, `"leaf_index": `, `"leaf_index": 1`, []string{"proof", changed, public}},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			d.t.Fatal(err)
		}
		other := strings.Replace(string(text), c.old, c.new, 1)
		if other == string(text) {
			d.t.Fatalf("%s holds no %s", c.file, c.old)
		}
		if err := os.WriteFile(changed, []byte(other), 0o600); err != nil {
			d.t.Fatal(err)
		}
		if said, ok := verifyAudit(d.t, c.args...); ok || !strings.Contains(said, "does not hold") {
			d.t.Errorf("%s in %s: %s", c.new, c.file, said)
		}
	}
}

// verifyAudit runs the verifier of docs/, which knows nothing of our code.
func verifyAudit(t *testing.T, args ...string) (said string, ok bool) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed; run: make parts")
	}
	out, err := exec.CommandContext(t.Context(), node, append([]string{filepath.Join("..", "docs", "verify-audit.mjs")}, args...)...).CombinedOutput()
	return string(out), err == nil
}

func (d *day) codeTo(to string) string {
	d.t.Helper()
	return mailCode.FindString(d.mailTo(to, mailCode.MatchString))
}

// mailTo waits for a mail to an address that is as wanted, and came after the one before.
func (d *day) mailTo(to string, wanted func(text string) bool) string {
	d.t.Helper()
	for n := 1; ; {
		mails := d.p.Mail.Wait(d.t, n) // fails when no more come
		for i := len(mails) - 1; i >= d.mails; i-- {
			if text := mails[i].Parse(d.t).Text; mails[i].To == to && wanted(text) {
				d.mails = i + 1
				return text
			}
		}
		n = len(mails) + 1
	}
}

// visit is open for a page that other tests judge.
func (b *tab) visit(path, page string) *tab {
	b.t.Helper()
	b.run("opening "+path, chromedp.Navigate(b.base+path))
	return b.to(page)
}

// words are what an element says, read without scripts.
func (b *tab) words(selector string) string {
	b.t.Helper()
	return html.UnescapeString(tags.ReplaceAllString(b.html(selector), ""))
}

var (
	tags     = regexp.MustCompile(`<[^>]*>`)
	figures  = regexp.MustCompile(`<dd>(\d+)</dd>`)
	mailCode = regexp.MustCompile(`\b\d{8}\b`)
)

// keep downloads what a click gives and tells where it is.
func (b *tab) keep(dir, selector, name string) string {
	b.t.Helper()
	saved := make(chan struct{}, 1)
	listening, stop := context.WithCancel(b.ctx)
	defer stop()
	chromedp.ListenTarget(listening, func(event any) {
		if progress, ok := event.(*browser.EventDownloadProgress); ok && progress.State == browser.DownloadProgressStateCompleted {
			select {
			case saved <- struct{}{}:
			default:
			}
		}
	})
	b.run("allowing downloads", browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(dir).WithEventsEnabled(true))
	b.click(selector)
	select {
	case <-saved:
	case <-b.ctx.Done():
		b.t.Fatalf("%s was not saved", name)
	}
	path := filepath.Join(dir, name)
	if data, err := os.ReadFile(path); err != nil || len(data) == 0 || strings.HasSuffix(name, ".json") && !json.Valid(data) {
		b.t.Fatalf("%s: %d bytes, %v", name, len(data), err)
	}
	return path
}
