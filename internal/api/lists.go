package api

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// listsAreLists has the document say of every list that it is one: the library says
// of each that it may be null, as Go would write one that nothing was put into. No
// answer of ours has such a list, so that readers need not ask.
func (a *API) listsAreLists() {
	doc := a.doc.OpenAPI()
	for _, s := range doc.Components.Schemas.Map() {
		neverNull(s)
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				neverNullIn(op.RequestBody.Content)
			}
			for _, answer := range op.Responses {
				neverNullIn(answer.Content)
			}
			for _, p := range op.Parameters {
				neverNull(p.Schema)
			}
		}
	}
}

func neverNullIn(content map[string]*huma.MediaType) {
	for _, kind := range content {
		neverNull(kind.Schema)
	}
}

func neverNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	for _, below := range s.Properties {
		neverNull(below)
	}
	for _, below := range slices.Concat([]*huma.Schema{s.Items}, s.OneOf, s.AnyOf, s.AllOf) {
		neverNull(below)
	}
	if others, ok := s.AdditionalProperties.(*huma.Schema); ok {
		neverNull(others)
	}
}

// full puts an empty list wherever an answer has none, so that it says [] and not
// null. What is told by its absence stays away (omitempty).
func full(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			full(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				full(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // bytes are no list
		}
		if v.IsNil() && v.CanSet() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			full(v.Index(i))
		}
	}
}
