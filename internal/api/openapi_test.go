package api

import (
	_ "embed"
	"os"
	"testing"
)

//go:embed openapi.json
var checkedIn []byte

// The document that is checked in is what the code says. To renew it:
//
//	KUNCI_WRITE=yes go test -run TheDocument ./internal/api/
func TestTheDocumentIsWhatTheCodeSays(t *testing.T) {
	a := &API{}
	a.build()
	data, err := a.Document()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("KUNCI_WRITE") == "yes" {
		if err := os.WriteFile("openapi.json", data, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != string(checkedIn) {
		t.Error("openapi.json is not what the code says; renew it: KUNCI_WRITE=yes go test -run TheDocument ./internal/api/")
	}
}
