package api

import (
	_ "embed"
	"net/http"
	"net/http/httptest"
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

// Strangers may ask for the document, and it costs them as much as us.
func TestTheDocumentIsMadeOnce(t *testing.T) {
	a := &API{}
	a.build()
	r := httptest.NewRequest(http.MethodGet, documentPath, nil)
	each := testing.AllocsPerRun(3, func() {
		w := httptest.NewRecorder()
		if a.document(w, r); w.Code != http.StatusOK || w.Body.Len() != len(checkedIn) {
			t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
		}
	})
	if each > 200 {
		t.Errorf("it is made anew for each who asks: %.0f allocations", each)
	}
}
