package org_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/org"
)

// The file that docs/migrating.md makes of another program's configuration is one
// that is taken.
func TestTheExampleOfMigratingIsAnOrganization(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\n")
	file, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("the documentation has no such file")
	}
	folder := t.TempDir()
	for _, name := range []string{"ldap-password", "ca.pem"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := org.Parse(strings.NewReader(file), folder)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d organizations, %v", len(all), err)
	}
	if d := all[0].Directory; !d.WriteBack || !strings.Contains(d.UserFilter, org.UserIDPlace) || len(all[0].Policy.Reset.Methods) != 5 {
		t.Errorf("%+v", all[0])
	}
}
