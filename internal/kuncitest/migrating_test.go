package kuncitest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// The commands that docs/migrating.md tells administrators to type make a file of
// methods that is taken.
func TestMethodsComeFromTheDirectoryAsTheDocumentationSays(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	people(t, s)
	s.AddPerson(t, "budi@contoso.com", "", map[string][]string{"mobile": {"+62 812 3456 789"}})
	s.AddPerson(t, "sari@contoso.com", "", map[string][]string{"mobile": {"+62 812 3456 790", "+62 812 3456 791"}, "description": {"mobile: 1\nmail: x"}})
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```sh\n")
	script, _, found := strings.Cut(block, "\nkunci account import")
	if !found {
		t.Fatal("the documentation has no such commands")
	}
	script = strings.NewReplacer("ldaps://ldap1.contoso.com", s.URL, "-W", "-w 'least rights of a test'").Replace(script)
	folder := t.TempDir()
	run := exec.CommandContext(t.Context(), "sh", "-c", script)
	run.Dir, run.Env = folder, append(os.Environ(), "BIND_DN="+ldaptest.Service, "LDAPTLS_CACERT="+s.Authority.File)
	if out, err := run.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	file, err := os.Open(filepath.Join(folder, "methods.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	p := kuncitest.Start(t, contosoAt(s, ""))
	report, err := p.App.Import(t.Context(), "contoso", file, account.CSV, account.ImportOptions{})
	if err != nil || report.MethodsAdded != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}
