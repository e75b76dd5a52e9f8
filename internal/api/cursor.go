package api

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/problem"
)

// Paging is what lists take. It is exported because the library passes over
// embedded structs that are not.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"100" doc:"How many at most"`
	Cursor string `query:"cursor" maxLength:"2000" doc:"next of the page before, of the same list"`
}

// pagedInput is what a list takes that nothing picks from.
type pagedInput struct {
	OrgPath
	Paging
}

// cursor seals where a list goes on: it says nothing to whoever reads the address it
// stands in (a position can be a user ID), and fits no other list and no other
// organization. A list that goes on nowhere has none.
func (a *API) cursor(ctx context.Context, list, position string) (string, error) {
	if position == "" {
		return "", nil
	}
	sealed, err := a.d.Keys.Seal([]byte(position), cursorOf(ctx, list))
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// position opens what cursor sealed. Problem CursorWrong: it is no cursor, or not of
// this list.
func (a *API) position(ctx context.Context, list, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", problem.New(problem.CursorWrong).On("cursor")
	}
	plain, err := a.d.Keys.Open(sealed, cursorOf(ctx, list))
	if err != nil {
		return "", problem.New(problem.CursorWrong).On("cursor").Because(err)
	}
	return string(plain), nil
}

func cursorOf(ctx context.Context, list string) string {
	return "api cursor|" + organization(ctx).ID + "|" + list
}

// pageOf is a page of a list that is read whole. It goes on behind the last item of
// the page before, or, where that has gone, where it stood.
func pageOf[T any](ctx context.Context, a *API, list string, in Paging, all []T, name func(T) string) (page []T, next string, err error) {
	position, err := a.position(ctx, list, in.Cursor)
	if err != nil {
		return nil, "", err
	}
	from := 0
	if at, last, ok := strings.Cut(position, " "); ok {
		n, err := strconv.Atoi(at)
		if err != nil {
			return nil, "", problem.New(problem.CursorWrong).On("cursor").Because(err)
		}
		from = min(n, len(all))
		for i, one := range all {
			if name(one) == last {
				from = i + 1
			}
		}
	}
	to := min(from+in.Limit, len(all))
	page = append([]T{}, all[from:to]...)
	if to < len(all) {
		next, err = a.cursor(ctx, list, strconv.Itoa(to-1)+" "+name(all[to-1]))
	}
	return page, next, err
}
