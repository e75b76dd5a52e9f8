package api

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestAnAnswerHasNoNullForAList(t *testing.T) {
	type row struct {
		Names []string `json:"names"`
		Left  []string `json:"left,omitempty"`
	}
	out := &struct {
		Body struct {
			Rows  []row           `json:"rows"`
			Below *row            `json:"below"`
			None  *row            `json:"none"`
			Any   any             `json:"any"`
			Raw   json.RawMessage `json:"raw,omitempty"`
			At    time.Time       `json:"at"`
			row
		}
	}{}
	out.Body.Below, out.Body.Any = &row{}, &row{}
	full(reflect.ValueOf(out))
	got, err := json.Marshal(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rows":[],"below":{"names":[]},"none":null,"any":{"names":[]},"at":"0001-01-01T00:00:00Z","names":[]}`
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	out.Body.Rows = []row{{}}
	full(reflect.ValueOf(out))
	if got := out.Body.Rows[0].Names; got == nil {
		t.Error("a list in a list is null")
	}
}
