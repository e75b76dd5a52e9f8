package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
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

// A body that is JSON is described by its keys, also where an operation takes it as
// bytes and a library would call that a file; and no list may be null.
func TestTheDocumentDescribesWhatIsSent(t *testing.T) {
	a := &API{}
	a.build()
	data, err := a.Document()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			RequestBody struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string][]string)
	for path, item := range doc.Paths {
		for method, op := range item {
			for kind, media := range op.RequestBody.Content {
				seen[op.OperationID] = append(seen[op.OperationID], kind)
				if kind == "application/json" && media.Schema["$ref"] == nil && media.Schema["type"] != "object" {
					t.Errorf("%s %s takes JSON that is %v", method, path, media.Schema)
				}
				if kind == "application/octet-stream" {
					t.Errorf("%s %s takes a file of no kind", method, path)
				}
			}
		}
	}
	for _, id := range []string{"put-policy", "try-policy", "policy-from-entra"} {
		if kinds := seen[id]; len(kinds) != 1 || kinds[0] != "application/json" {
			t.Errorf("%s takes %v", id, kinds)
		}
	}
	policy := doc.Components.Schemas["Policy"].Properties
	for name := range config.Fields(reflect.TypeFor[org.Policy]()) {
		if policy[name] == nil {
			t.Errorf("the schema of a policy lacks %s", name)
		}
	}
	var lists func(at string, v any)
	lists = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if kinds, ok := v["type"].([]any); ok && slices.Contains(kinds, any("array")) {
				t.Errorf("%s may be null", at)
			}
			for name, below := range v {
				lists(at+"/"+name, below)
			}
		case []any:
			for i, below := range v {
				lists(at+"/"+strconv.Itoa(i), below)
			}
		}
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	lists("", all)
}

// What the schema lists of words is what a policy may hold.
func TestTheSchemaOfAPolicyListsItsWords(t *testing.T) {
	for key, words := range org.PolicyChoices() {
		for _, word := range append(words, "no such word") {
			text := key + ": " + strconv.Quote(word)
			if room, name, below := strings.Cut(key, "."); below {
				text = room + ": {" + name + ": " + strconv.Quote(word) + "}"
			}
			_, err := org.ParsePolicy(strings.NewReader(text))
			var faults config.Faults
			errors.As(err, &faults)
			refused := slices.ContainsFunc(faults, func(f config.Fault) bool { return f.Key == key && f.Code == "one_of" })
			if refused != (word == "no such word") {
				t.Errorf("%s: %v", text, err)
			}
		}
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
