package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
)

func TestEveryReasonHasItsWords(t *testing.T) {
	for _, lang := range i18n.Languages() {
		messages, err := i18n.ReadCatalogue(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, reason := range audit.Reasons {
			if _, ok := messages["reason."+reason]; !ok {
				t.Errorf("%s has no words for the reason %q", lang, reason)
			}
		}
		for key := range messages {
			if reason, ok := strings.CutPrefix(key, "reason."); ok && !slices.Contains(audit.Reasons, reason) {
				t.Errorf("%s has words for %q, which is no reason", lang, reason)
			}
		}
	}
}

// Every code in the source that goes into an event as its reason is in the list: what
// is written to a variable or field of that name, handed to such a parameter, or
// returned by a function named so, and constants of which any may be one. What is only
// known when it happens, such as the code of a refusal, Record tells the program's
// log, and the harnesses of tests look there.
func TestEveryReasonInTheSourceIsListed(t *testing.T) {
	packages := make(map[string][]*ast.File)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	problems := constants(packages[filepath.Join("..", "problem")])
	found := make(map[string]bool)
	for dir, files := range packages {
		r := reasons{constants(files), problems, named(files), func(reason string) {
			if found[reason] = true; !slices.Contains(audit.Reasons, reason) {
				t.Errorf("%s records the reason %q, which is not in audit.Reasons", dir, reason)
			}
		}}
		for _, file := range files {
			if recordsEvents(file) {
				ast.Inspect(file, r.look)
			}
		}
	}
	for dir, prefix := range map[string]string{"password": "Rule", "directory": "Rule", "notify": "Purpose", "helpdesk": "Problem"} {
		for name, value := range constants(packages[filepath.Join("..", dir)]) {
			if strings.HasPrefix(name, prefix) && !slices.Contains(audit.Reasons, value) {
				t.Errorf("%s.%s, %q, may be a reason and is not in audit.Reasons", dir, name, value)
			}
		}
	}
	if len(found) < 60 {
		t.Errorf("found %d reasons in the source", len(found))
	}
}

func recordsEvents(file *ast.File) bool {
	return file.Name.Name == "audit" || slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool {
		return strings.HasSuffix(i.Path.Value, `internal/audit"`)
	})
}

// constants are those of a package that are texts.
func constants(files []*ast.File) map[string]string {
	all := make(map[string]string)
	for _, file := range files {
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				for i, value := range spec.(*ast.ValueSpec).Values {
					if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
						all[spec.(*ast.ValueSpec).Names[i].Name], _ = strconv.Unquote(literal.Value)
					}
				}
			}
		}
	}
	return all
}

// named tells at which place the functions and structs of a package have a reason.
func named(files []*ast.File) map[string]int {
	all := make(map[string]int)
	add := func(name string, fields *ast.FieldList) {
		at := 0
		for _, field := range fields.List {
			for _, n := range field.Names {
				if kind, ok := field.Type.(*ast.Ident); ok && n.Name == "reason" && kind.Name == "string" {
					all[name] = at
				}
				at++
			}
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				add(n.Name.Name, n.Type.Params)
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok {
					add(n.Name.Name, s.Fields)
				}
			}
			return true
		})
	}
	return all
}

type reasons struct {
	consts, problems map[string]string
	takes            map[string]int
	found            func(reason string)
}

func (r reasons) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if strings.HasPrefix(n.Name.Name, "reason") {
			ast.Inspect(n, func(n ast.Node) bool {
				if back, ok := n.(*ast.ReturnStmt); ok {
					r.value(back.Results[0])
				}
				return true
			})
		}
	case *ast.CompositeLit:
		return r.literal(n)
	case *ast.KeyValueExpr:
		if isReason(n.Key) {
			r.value(n.Value)
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if isReason(to) && len(n.Lhs) == len(n.Rhs) {
				r.value(n.Rhs[i])
			}
		}
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if at, ok := r.takes[name]; ok && at < len(n.Args) {
			r.value(n.Args[at])
		}
	}
	return true
}

// literal looks at structs without names of fields, and at lists of them. Rows of a
// file have reasons of their own.
func (r reasons) literal(n *ast.CompositeLit) bool {
	kind, all := n.Type, []ast.Expr{n}
	if list, ok := kind.(*ast.ArrayType); ok {
		kind, all = list.Elt, n.Elts
	}
	name, ok := kind.(*ast.Ident)
	if !ok {
		return true
	}
	if at, ok := r.takes[name.Name]; ok {
		for _, one := range all {
			if l, ok := one.(*ast.CompositeLit); ok && at < len(l.Elts) {
				r.value(l.Elts[at])
			}
		}
	}
	return name.Name != "BadRow"
}

func isReason(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return strings.EqualFold(e.Name, "reason")
	case *ast.SelectorExpr:
		return e.Sel.Name == "Reason"
	}
	return false
}

func (r reasons) value(e ast.Expr) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && text != "" {
			r.found(text)
		}
	case *ast.Ident:
		if text := r.consts[e.Name]; text != "" {
			r.found(text)
		}
	case *ast.CallExpr: // string(problem.Blocked)
		if f, ok := e.Fun.(*ast.Ident); ok && f.Name == "string" && len(e.Args) == 1 {
			if s, ok := e.Args[0].(*ast.SelectorExpr); ok {
				if text := r.problems[s.Sel.Name]; text != "" {
					r.found(text)
				}
			}
		}
	}
}
