package account_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// ruled is a directory with rules of its own.
type ruled struct {
	directory.Directory
	rules []directory.Rule
	err   error
}

func (r ruled) Rules(context.Context, string) ([]directory.Rule, error) { return r.rules, r.err }

func TestTheRulesShownAreTheStricterOnes(t *testing.T) {
	n := func(count int) map[string]any { return map[string]any{"count": count} }
	ours := password.Rules(password.Policy{MinLength: 12, MaxLength: 256, History: 5})
	for name, c := range map[string]struct {
		of   func(directory.Directory) directory.Directory
		want map[string]any
	}{
		"embedded": {func(d directory.Directory) directory.Directory { return d },
			map[string]any{"too_short": 12, "too_long": 256, "contains_name": nil, "banned": nil, "history": 5}},
		"stricter": {func(d directory.Directory) directory.Directory {
			return ruled{d, []directory.Rule{
				{Name: "too_short", Args: n(14)}, {Name: "too_long", Args: n(100)}, {Name: directory.RuleComplexity, Args: n(3)},
				{Name: "contains_name"}, {Name: "history", Args: n(24)},
			}, nil}
		}, map[string]any{"too_short": 14, "too_long": 100, "contains_name": nil, "banned": nil, "classes": 3, "history": 24}},
		"laxer": {func(d directory.Directory) directory.Directory {
			return ruled{d, []directory.Rule{{Name: "too_short", Args: n(7)}, {Name: "too_long", Args: n(1000)}}, nil}
		}, map[string]any{"too_short": 12, "too_long": 256, "contains_name": nil, "banned": nil}},
		"silent": {func(d directory.Directory) directory.Directory { return ruled{d, nil, errors.New("away")} },
			map[string]any{"too_short": 12, "too_long": 256, "contains_name": nil, "banned": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				h := build(t, db, c.of)
				got := make(map[string]any)
				for _, r := range h.Rules(t.Context(), h.org, account.Account{}, ours) {
					got[r.Name] = r.Args["count"]
				}
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
	if ours[0].Args["count"] != 12 || len(ours) != 5 {
		t.Errorf("the organization's own rules were changed: %+v", ours)
	}
}
