package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/problem"
)

// longTransfer is how long a large file may take to come or go.
const longTransfer = 30 * time.Minute

// TakesFiles tells the one address whose body is a file and may be large.
func TakesFiles(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/orgs/")
	_, rest, found := strings.Cut(rest, "/")
	return ok && found && rest == "imports" && r.Method == http.MethodPost
}

// TakesPicture tells the one address whose body is a picture.
func TakesPicture(r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/orgs/")
	_, rest, found := strings.Cut(rest, "/")
	return ok && found && rest == "branding/logo" && r.Method == http.MethodPut
}

type importInput struct {
	OrgPath
	ContentType string `header:"Content-Type" doc:"text/csv or application/x-ndjson"`
	body        io.Reader
}

// Resolve takes hold of the body, which is read as it comes.
func (in *importInput) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	long := http.NewResponseController(w)
	_ = long.SetReadDeadline(time.Now().Add(longTransfer)) // where it cannot be set, the usual time holds
	_ = long.SetWriteDeadline(time.Now().Add(longTransfer))
	in.body = r.Body
	return nil
}

type imported struct {
	ID        string            `json:"id"`
	State     account.BulkState `json:"state" enum:"receiving,comparing,checked,applying,done,failed,cancelled,unreadable" doc:"checked waits for apply; the last four are ends"`
	Format    account.Format    `json:"format" enum:"csv,ndjson"`
	SkipBad   bool              `json:"skip_bad"`
	Percent   int               `json:"percent" doc:"Of the step that runs"`
	Rows      int               `json:"rows"`
	DoneRows  int               `json:"done_rows" doc:"Of the step that runs"`
	Created   int               `json:"created" doc:"What would be done until checked, what was done from then on"`
	Updated   int               `json:"updated"`
	Unchanged int               `json:"unchanged"`
	Methods   int               `json:"methods_added"`
	Bad       int               `json:"bad"`
	CreatedAt time.Time         `json:"created_at"`
	ChangedAt time.Time         `json:"changed_at"`
}

type importedOutput struct {
	Location string `header:"Location"`
	Body     imported
}

type applyInput struct {
	ItemPath
	Body struct {
		SkipBad bool `json:"skip_bad,omitempty" doc:"Leave the bad rows out"`
	}
}

type badRowsInput struct {
	ItemPath
	Paging
}

type badRow struct {
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
}

type badRowsOutput struct {
	Body struct {
		Bad  []badRow `json:"bad"`
		Next string   `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
	}
}

type exportInput struct {
	OrgPath
	Format string `query:"format" enum:"csv,ndjson" default:"ndjson"`
}

func (a *API) bulkOperations() {
	register(a, huma.Operation{
		OperationID: "import-people", Method: http.MethodPost, Path: "/imports", DefaultStatus: http.StatusAccepted,
		Summary: "Send an account file", Description: "Every row is checked while the file comes in. Nothing is stored until apply. One import at a time.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"text/csv":             {Schema: &huma.Schema{Type: "string"}},
			"application/x-ndjson": {Schema: &huma.Schema{Type: "string"}},
		}},
	}, admin.ImportPeople, a.importPeople)
	get(a, "/imports/{id}", "get-import", "How far an import is", admin.ImportPeople, func(ctx context.Context, in *ItemPath) (*importedOutput, error) {
		return a.importState(ctx, in.ID)
	})
	get(a, "/imports/{id}/bad", "get-bad-rows", "The bad rows of an import", admin.ImportPeople, a.badRows)
	register(a, huma.Operation{
		OperationID: "apply-import", Method: http.MethodPost, Path: "/imports/{id}/apply", DefaultStatus: http.StatusAccepted,
		Summary: "Apply a checked import",
	}, admin.ImportPeople, func(ctx context.Context, in *applyInput) (*importedOutput, error) {
		if err := a.d.Admin.ApplyImport(ctx, authority(ctx), organization(ctx), in.ID, in.Body.SkipBad); err != nil {
			return nil, err
		}
		return a.importState(ctx, in.ID)
	})
	register(a, huma.Operation{
		OperationID: "cancel-import", Method: http.MethodPost, Path: "/imports/{id}/cancel", DefaultStatus: http.StatusOK,
		Summary: "Stop an import", Description: "What was stored stays; the file is erased.",
	}, admin.ImportPeople, func(ctx context.Context, in *ItemPath) (*importedOutput, error) {
		if err := a.d.Admin.CancelImport(ctx, authority(ctx), organization(ctx), in.ID); err != nil {
			return nil, err
		}
		return a.importState(ctx, in.ID)
	})
	register(a, huma.Operation{
		OperationID: "export-people", Method: http.MethodPost, Path: "/exports", DefaultStatus: http.StatusOK,
		Summary: "Everyone, with the state of their registration", Description: "Addresses and numbers are masked. A POST, because it is recorded.",
		Responses: answeredAs("application/x-ndjson", "text/csv"),
	}, admin.ExportPeople, a.exportPeople)
}

func (a *API) importPeople(ctx context.Context, in *importInput) (*importedOutput, error) {
	kind, _, err := mime.ParseMediaType(in.ContentType)
	format := map[string]account.Format{"text/csv": account.CSV, "application/x-ndjson": account.NDJSON}[kind]
	if err != nil || format == "" {
		return nil, problem.New(problem.BadInput).On("Content-Type")
	}
	b, err := a.d.Admin.ReceiveImport(ctx, authority(ctx), organization(ctx), in.body, format)
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, problem.New(problem.TooLong)
	}
	if err != nil {
		return nil, err
	}
	out, err := a.importState(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	out.Location = strings.Replace(root, "{org}", organization(ctx).Slug, 1) + "/imports/" + b.ID
	return out, nil
}

func (a *API) importState(ctx context.Context, id string) (*importedOutput, error) {
	b, err := a.d.Admin.Import(ctx, authority(ctx), organization(ctx), id)
	if err != nil {
		return nil, err
	}
	return &importedOutput{Body: imported{
		ID: b.ID, State: b.State, Format: b.Format, SkipBad: b.SkipBad, Percent: b.Percent(), Rows: b.Rows, DoneRows: b.DoneRows,
		Created: b.Created, Updated: b.Updated, Unchanged: b.Unchanged, Methods: b.Methods, Bad: b.Bad,
		CreatedAt: b.CreatedAt.UTC(), ChangedAt: b.ChangedAt.UTC(),
	}}, nil
}

func (a *API) badRows(ctx context.Context, in *badRowsInput) (*badRowsOutput, error) {
	b, err := a.d.Admin.Import(ctx, authority(ctx), organization(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	list := "get-bad-rows " + b.ID
	position, err := a.position(ctx, list, in.Cursor)
	if err != nil {
		return nil, err
	}
	var after account.BadRow
	if line, column, ok := strings.Cut(position, " "); ok {
		after.Column = column
		if after.Line, err = strconv.Atoi(line); err != nil {
			return nil, problem.New(problem.CursorWrong).On("cursor").Because(err)
		}
	}
	rows, err := a.d.Accounts.BadRowsAfter(ctx, organization(ctx).ID, b.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &badRowsOutput{}
	out.Body.Bad = []badRow{}
	for i, r := range rows {
		if i == in.Limit {
			last := out.Body.Bad[i-1]
			out.Body.Next, err = a.cursor(ctx, list, strconv.Itoa(last.Line)+" "+last.Column)
			break
		}
		out.Body.Bad = append(out.Body.Bad, badRow{r.Line, r.Column, r.Reason})
	}
	return out, err
}

// exportPeople begins the answer only when nothing can refuse it any more.
func (a *API) exportPeople(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	as, o, format := authority(ctx), organization(ctx), account.Format(in.Format)
	if !a.d.Admin.Listable(o) {
		return nil, problem.New(problem.NotFound)
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		err := a.d.Admin.Export(out.Context(), as, o, format, func() io.Writer {
			_, w := humago.Unwrap(out)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longTransfer)) // where it cannot be set, the usual time holds
			kind := "application/x-ndjson"
			if format == account.CSV {
				kind = "text/csv; charset=utf-8"
			}
			out.SetHeader("Content-Type", kind)
			return out.BodyWriter()
		})
		if err != nil {
			a.d.Log.Error("an export ended early", "error", err)
			panic(http.ErrAbortHandler) // whoever reads it must not take half for the whole
		}
	}}, nil
}
