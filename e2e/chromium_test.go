package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience bounds a whole journey, beside others on a busy machine; nothing in it
// waits that long unless it is broken.
const patience = 4 * time.Minute

// stepPatience bounds one step of a journey: a step that hangs fails while there is
// time left to show where.
const stepPatience = 75 * time.Second

// headless is Chromium without the window around its pages, which would be drawn
// for nobody. Debian's command of this name is a script that outlives nothing, but
// leaves the browser behind when it is killed.
const headless = "/usr/lib/chromium/chromium-headless-shell"

// startChromium runs a browser of its own, with a fresh profile, until the test ends.
func startChromium(t *testing.T, patience time.Duration) context.Context {
	t.Helper()
	if _, err := os.Stat(headless); err != nil {
		t.Fatal("chromium-headless-shell is not installed; run: make parts")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(headless), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true),
	)
	ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(stop)
	allocator, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	browser, quit := chromedp.NewContext(allocator)
	t.Cleanup(quit)
	if err := chromedp.Run(browser); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return browser
}

// device is what a person holds: a width, a language, scripts or none, light or dark.
type device struct {
	name     string
	width    int64
	height   int64
	language string
	scripts  bool
	dark     bool
}

// tab is one fresh profile of the browser on a device.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	on   device
	// judged are the pages that were judged already; nil: every one is, every time.
	judged map[string]bool
}

func openTab(t *testing.T, base string, on device) *tab {
	t.Helper()
	return openTabFor(t, base, on, patience)
}

// openTabFor is openTab for several journeys in one browser.
func openTabFor(t *testing.T, base string, on device, patience time.Duration) *tab {
	t.Helper()
	ctx := startChromium(t, patience)
	scheme := "light"
	if on.dark {
		scheme = "dark"
	}
	err := chromedp.Run(ctx,
		emulation.SetDeviceMetricsOverride(on.width, on.height, 1, on.width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		emulation.SetScriptExecutionDisabled(!on.scripts),
		network.Enable(),
		network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": on.language}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return &tab{t: t, ctx: ctx, base: base, on: on}
}

func (b *tab) run(what string, actions ...chromedp.Action) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, stepPatience)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.photograph("failed")
		b.t.Fatalf("%s: %v; it stands at %s", what, err, b.stands())
	}
}

var (
	unseen = regexp.MustCompile(`(?is)<(script|style|head)\b.*?</(script|style|head)>|<[^>]*>`)
	blank  = regexp.MustCompile(`\s+`)
)

// stands says where the browser is and what can be read there. It runs no script of
// the page: some journeys let none run.
func (b *tab) stands() string {
	ctx, stop := context.WithTimeout(b.ctx, stepPatience/5)
	defer stop()
	var at int64
	var visited []*page.NavigationEntry
	var html string
	if err := chromedp.Run(ctx, chromedp.NavigationEntries(&at, &visited)); err != nil {
		return "no address: " + err.Error()
	}
	where := "no address"
	if at >= 0 && int(at) < len(visited) {
		where = visited[at].URL
	}
	if err := chromedp.Run(ctx, chromedp.OuterHTML("html", &html, chromedp.ByQuery)); err != nil {
		return where + ", which cannot be read: " + err.Error()
	}
	text := strings.TrimSpace(blank.ReplaceAllString(unseen.ReplaceAllString(html, " "), " "))
	return where + ":\n" + text[:min(len(text), 2000)]
}

// open goes to a path and waits for the named page.
func (b *tab) open(path, page string) *tab {
	b.t.Helper()
	b.run("opening "+path, chromedp.Navigate(b.base+path))
	return b.at(page)
}

// at waits until the named page is shown, then judges how it is built.
func (b *tab) at(page string) *tab {
	b.t.Helper()
	b.to(page)
	if b.judged != nil {
		var heading string
		b.run("reading the heading", chromedp.Text("h1", &heading, chromedp.ByQuery))
		if b.judged[page+heading] {
			return b
		}
		b.judged[page+heading] = true
	}
	b.judge(page)
	return b
}

// to is at for a page that was judged before.
func (b *tab) to(page string) *tab {
	b.t.Helper()
	b.run("waiting for the page "+page, chromedp.WaitVisible(`main[data-page="`+page+`"]:not([data-left])`, chromedp.ByQuery))
	return b
}

func (b *tab) fill(name, value string) *tab {
	b.t.Helper()
	selector := `[name="` + name + `"]`
	b.run("filling "+name, chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.SendKeys(selector, value, chromedp.ByQuery))
	return b
}

func (b *tab) click(selector string) *tab {
	b.t.Helper()
	b.run("clicking "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
	return b
}

// press presses the page's one primary button.
func (b *tab) press() *tab {
	b.t.Helper()
	return b.leave().click(`main .primary`)
}

// leave marks the page as left, so that the next one is waited for although it
// may have the same name.
func (b *tab) leave() *tab {
	b.t.Helper()
	b.run("leaving the page", chromedp.SetAttributeValue("main", "data-left", "yes", chromedp.ByQuery))
	return b
}

// pictures says whether shot keeps pictures: people look at them after "make e2e"
// and "make pictures"; "make test" asks for none and takes a tenth less for it.
var pictures = os.Getenv("KUNCI_PICTURES") != ""

// shot keeps a picture of the page under shots/ for people to look at, where
// pictures are asked for.
func (b *tab) shot(name string) *tab {
	b.t.Helper()
	if pictures {
		b.photograph(name)
	}
	return b
}

// photograph keeps a picture of the page under shots/, asked for or not: a failure is shown.
func (b *tab) photograph(name string) {
	b.t.Helper()
	var picture []byte
	ctx, stop := context.WithTimeout(b.ctx, stepPatience/3)
	defer stop()
	if err := chromedp.Run(ctx, chromedp.FullScreenshot(&picture, 100)); err != nil {
		b.t.Logf("no picture of %s: %v", name, err)
		return
	}
	if err := os.MkdirAll("shots", 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.picture(name), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// picture is the file that shot keeps under a name.
func (b *tab) picture(name string) string { return filepath.Join("shots", b.on.name+"-"+name+".png") }

var axeSource = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("axe-core is not installed (%w); run: make parts", err)
	}
	return string(source), nil
})

const axeRun = `axe.run(document, {runOnly: {type: "tag", values: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}})
	.then(r => JSON.stringify(r.violations.map(v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + " — " + n.failureSummary)}))))`

// judge fails on an accessibility violation and on a page wider than the screen.
// Its scripts run in the inspector, so they need no script of the page's own;
// where the page's scripts are off they are let run for the judging only.
func (b *tab) judge(page string) {
	b.t.Helper()
	source, err := axeSource()
	if err != nil {
		b.t.Fatal(err)
	}
	if b.same() {
		return
	}
	var result string
	var overflow int64
	var ready any
	if !b.on.scripts {
		b.run("letting the judge run", emulation.SetScriptExecutionDisabled(false))
		defer b.run("stopping the judge", emulation.SetScriptExecutionDisabled(true))
	}
	b.run("judging "+page,
		chromedp.Evaluate(source+";0", &ready),
		chromedp.Evaluate(axeRun, &result, chromedp.EvalAsValue, awaitPromise),
		chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow),
	)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		b.t.Fatalf("axe's answer on %s: %v", page, err)
	}
	for _, v := range violations {
		b.t.Errorf("%s on %s: %s (%s)\n  %s", page, b.on.name, v.Help, v.ID, strings.Join(v.Nodes, "\n  "))
	}
	if overflow > 0 {
		b.photograph(page + "-too-wide")
		b.t.Errorf("%s on %s is %d px wider than the screen", page, b.on.name, overflow)
	}
}

// verdicts are the pages judged so far, of all journeys of this process.
var verdicts sync.Map // a device and what its page shows → nothing

// passing is what differs between two views of one page and is nothing that the
// judge looks at: digits, and long words out of a random source.
var passing = regexp.MustCompile(`[0-9]+|[A-Za-z0-9_~+/=-]{20,}`)

// same tells whether a page of the same HTML was judged on this device before, in
// this journey or another: its style comes from the same files, so that the
// verdict would be the same.
func (b *tab) same() bool {
	b.t.Helper()
	var html string
	b.run("reading the page", chromedp.OuterHTML("html", &html, chromedp.ByQuery))
	key := fmt.Sprintf("%+v %x", b.on, sha256.Sum256(passing.ReplaceAll([]byte(html), []byte("~"))))
	_, before := verdicts.LoadOrStore(key, nil)
	return before
}

func (b *tab) attribute(selector, name string) string {
	b.t.Helper()
	var value string
	var there bool
	b.run("reading "+name+" of "+selector, chromedp.AttributeValue(selector, name, &value, &there, chromedp.ByQuery))
	return value
}
