package levels

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is one parsed Go file.
type source struct {
	room  string // its folder: internal/reset
	name  string // its base name
	set   *token.FileSet
	file  *ast.File
	names map[string]string // imported name → path
}

// forTests tells whether the file is built into tests alone.
func (s source) forTests() bool {
	return strings.HasSuffix(s.name, "_test.go") || slices.Contains(testsOnly, s.room)
}

// command tells whether the file belongs to a program's outermost edge, where
// printing and starting a context from nothing are its job.
func (s source) command() bool {
	return strings.HasPrefix(s.room, "cmd/") || s.room == "bench"
}

// ban is one thing that the code base does without, and why.
type ban struct {
	why   string
	names []string // "path.Name", or "path" for the whole import
	where func(source) bool
}

var bans = []ban{
	{
		"print through a logger or a writer that was passed in",
		[]string{"fmt.Print", "fmt.Printf", "fmt.Println"},
		func(s source) bool { return !s.command() },
	},
	{
		"wait for the event, or select on a timer and the context",
		[]string{"time.Sleep"},
		func(source) bool { return true },
	},
	{
		"pass the caller's context on; context.WithoutCancel is for what must outlive it",
		[]string{"context.Background", "context.TODO"},
		func(s source) bool { return !s.forTests() && !s.command() && s.room != "internal/app" },
	},
	{
		"log/slog is the logger",
		[]string{"log"},
		func(s source) bool { return !s.forTests() },
	},
	{
		"use crypto/rand: a number that can be guessed ends up in a code or a token",
		[]string{"math/rand", "math/rand/v2"},
		func(s source) bool { return !s.forTests() },
	},
	{
		"it has no timeout and follows redirects anywhere",
		[]string{"net/http.DefaultClient", "net/http.DefaultTransport"},
		func(s source) bool { return true },
	},
	{
		"it uses http.DefaultClient, which has no timeout",
		[]string{"net/http.Get", "net/http.Post", "net/http.PostForm", "net/http.Head"},
		func(s source) bool { return !s.forTests() },
	},
	{
		"tests are not of two kinds; a part that is missing fails with the command that brings it",
		[]string{"testing.Short"},
		func(s source) bool { return true },
	},
}

const longestFile = 600

// sources parses every Go file of the product and its tests.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, p := range allPackages(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parse(t, room(p.ImportPath), filepath.Base(path), text))
		}
	}
	return all
}

func parse(t *testing.T, room, name string, text []byte) source {
	t.Helper()
	s := source{room: room, name: name, set: token.NewFileSet(), names: make(map[string]string)}
	var err error
	s.file, err = parser.ParseFile(s.set, name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range s.file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		called := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			called = i.Name.Name
		}
		s.names[called] = path
	}
	return s
}

// broken lists what a file does that it should do without, as "line: what: why".
func broken(s source) []string {
	var found []string
	report := func(at token.Pos, what, why string) {
		found = append(found, fmt.Sprintf("%s/%s:%d: %s: %s", s.room, s.name, s.set.Position(at).Line, what, why))
	}
	for _, i := range s.file.Imports {
		if path, err := strconv.Unquote(i.Path.Value); err == nil {
			if why := banned(s, path); why != "" {
				report(i.Pos(), "import of "+path, why)
			}
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		use, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := use.X.(*ast.Ident)
		if !ok {
			return true
		}
		if path, imported := s.names[of.Name]; imported {
			if why := banned(s, path+"."+use.Sel.Name); why != "" {
				report(use.Pos(), of.Name+"."+use.Sel.Name, why)
			}
		}
		skips := []string{"Skip", "Skipf", "SkipNow"}
		if slices.Contains([]string{"t", "b", "f", "tb"}, of.Name) && slices.Contains(skips, use.Sel.Name) {
			report(use.Pos(), "t."+use.Sel.Name, "nothing is skipped; a missing part fails with the command that brings it")
		}
		return true
	})
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			for _, mark := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"} {
				if strings.Contains(c.Text, mark) {
					report(c.Pos(), mark, "finish it, or write it down as an issue")
				}
			}
		}
	}
	if lines := s.set.File(s.file.Pos()).LineCount(); lines > longestFile {
		report(s.file.End()-1, fmt.Sprintf("%d lines", lines), "a file this long is two things")
	}
	return found
}

func banned(s source, name string) string {
	for _, b := range bans {
		if slices.Contains(b.names, name) && b.where(s) {
			return b.why
		}
	}
	return ""
}

func TestWhatThisCodeDoesWithout(t *testing.T) {
	for _, s := range sources(t) {
		for _, b := range broken(s) {
			t.Error(b)
		}
	}
}

// Each ban finds what it is there to find, in the places it is meant for.
func TestTheBansFindWhatTheyShould(t *testing.T) {
	const imports = "import (\n\"context\"\n\"fmt\"\nlogging \"log\"\n\"math/rand/v2\"\n\"net/http\"\n\"testing\"\n\"time\"\n)\n"
	file := func(body string) []byte {
		return []byte("package x\n" + imports + "func x(t *testing.T) { " + body + " }\n")
	}
	for _, c := range []struct {
		room, name, body string
		want             int // beyond the two imports that only tests may have
	}{
		{"internal/reset", "a.go", `fmt.Println(1)`, 1},
		{"cmd/kunci", "a.go", `fmt.Println(1); _ = context.Background()`, 0},
		{"internal/reset", "a.go", `fmt.Fprintln(nil, 1)`, 0},
		{"internal/reset", "a_test.go", `time.Sleep(1)`, 1},
		{"internal/reset", "a.go", `time.Sleep(1); _ = context.TODO()`, 2},
		{"internal/reset", "a_test.go", `_ = context.Background()`, 0},
		{"internal/app", "a.go", `_ = context.Background()`, 0},
		{"internal/reset", "a.go", `_ = http.DefaultClient; http.Get("")`, 2},
		{"internal/reset", "a_test.go", `t.Skip("no database"); testing.Short()`, 2},
		{"internal/account", "a_test.go", `accounts.Skip(t)`, 0},
		{"internal/reset", "a.go", "// " + "TO" + "DO later\n", 1},
		{"internal/reset", "a.go", strings.Repeat("\n", longestFile), 1},
	} {
		s := parse(t, c.room, c.name, file(c.body))
		want := c.want
		if !s.forTests() {
			want += 2
		}
		if got := broken(s); len(got) != want {
			t.Errorf("%s/%s with %q: found %q, want %d", c.room, c.name, c.body, got, want)
		}
	}
}

func TestEveryRoomSaysWhatItOwns(t *testing.T) {
	for _, p := range allPackages(t) {
		name := room(p.ImportPath)
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", name)
		}
		if slices.Contains(testsOnly, name) || strings.HasPrefix(name, "cmd/") {
			continue
		}
		if !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go that says what it owns, what it promises and who may call it", name)
		}
	}
}
