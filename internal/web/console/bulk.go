package console

import (
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// importPage is the form, with what was imported lately.
type importPage struct {
	page.Base
	Live   *account.Bulk
	Recent []account.Bulk
}

// importedPage is one import.
type importedPage struct {
	page.Base
	Import account.Bulk
	Bad    []account.BadRow // the first ones
}

const (
	recentImports = 10
	shownBadRows  = 20
	// longTransfer is how long a large file may take to come or go.
	longTransfer = 30 * time.Minute
)

// ImportPath is the one page that takes a large body.
const ImportPath = "/console/people/import"

func (c *Console) getImports(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.imports(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_import", view)
}

func (c *Console) imports(r *http.Request, d desk) (*importPage, error) {
	view := &importPage{Base: d.base(r, "import", "people")}
	var err error
	if view.Recent, err = c.Accounts.Bulks(r.Context(), d.Org.ID, recentImports); err != nil {
		return nil, err
	}
	for i, b := range view.Recent {
		if b.State.Live() {
			view.Live = &view.Recent[i]
		}
	}
	return view, nil
}

// postImport takes the file as it comes: it is never whole in memory.
func (c *Console) postImport(w http.ResponseWriter, r *http.Request, d desk) error {
	b, err := c.receive(w, r, d)
	if errors.As(err, new(*http.MaxBytesError)) {
		err = problem.New(problem.TooLong).On("file")
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view, err := c.imports(r, d)
		if err != nil {
			return err
		}
		return c.refuse(w, r, "console_import", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	return page.See(w, r, ImportPath+"/"+b.ID)
}

func (c *Console) receive(w http.ResponseWriter, r *http.Request, d desk) (account.Bulk, error) {
	long := http.NewResponseController(w)
	_ = long.SetReadDeadline(time.Now().Add(longTransfer)) // where it cannot be set, the usual time holds
	_ = long.SetWriteDeadline(time.Now().Add(longTransfer))
	parts, err := r.MultipartReader()
	if err != nil {
		return account.Bulk{}, problem.New(problem.Required).On("file").Because(err)
	}
	part, err := parts.NextPart()
	if err != nil || part.FormName() != "file" || part.FileName() == "" {
		return account.Bulk{}, problem.New(problem.Required).On("file").Because(err)
	}
	format := account.CSV
	switch strings.ToLower(path.Ext(part.FileName())) {
	case ".csv":
	case ".ndjson", ".jsonl":
		format = account.NDJSON
	default:
		return account.Bulk{}, problem.New(problem.FileKind).On("file")
	}
	return c.Admin.ReceiveImport(r.Context(), d.as, d.Org, part, format)
}

func (c *Console) getImport(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.imported(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_imported", view)
}

func (c *Console) imported(r *http.Request, d desk) (*importedPage, error) {
	view := &importedPage{Base: d.base(r, "imported", "people")}
	var err error
	if view.Import, err = c.Admin.Import(r.Context(), d.as, d.Org, r.PathValue("id")); err != nil {
		return nil, err
	}
	view.Bad, err = c.Accounts.BadRows(r.Context(), d.Org.ID, view.Import.ID, shownBadRows)
	return view, err
}

func (c *Console) postImported(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	view, err := c.imported(r, d)
	if err != nil {
		return err
	}
	switch form["act"] {
	case "apply":
		err = c.Admin.ApplyImport(r.Context(), d.as, d.Org, view.Import.ID, form["skip_bad"] == "yes")
	case "cancel":
		err = c.Admin.CancelImport(r.Context(), d.as, d.Org, view.Import.ID)
	default:
		err = problem.New(problem.BadInput).On("act")
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		return c.refuse(w, r, "console_imported", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	return page.See(w, r, ImportPath+"/"+view.Import.ID)
}

// getBadRows gives every bad row that was kept, in the language of the page.
func (c *Console) getBadRows(w http.ResponseWriter, r *http.Request, d desk) error {
	b, err := c.Admin.Import(r.Context(), d.as, d.Org, r.PathValue("id"))
	if err != nil {
		return err
	}
	rows, err := c.Accounts.BadRows(r.Context(), d.Org.ID, b.ID, b.Bad+1)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci-bad-rows.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write([]string{"line", "column", "reason", "text"}) // the client may be gone
	for _, row := range rows {
		_ = out.Write([]string{strconv.Itoa(row.Line), audit.Cell(row.Column), row.Reason, i18n.For(page.Lang(r)).T("account.import." + row.Reason)})
	}
	out.Flush()
	return nil
}

// postExportPeople is a POST: it records that somebody exported.
func (c *Console) postExportPeople(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	format, kind := account.Format(form["format"]), "text/csv; charset=utf-8"
	if format == account.NDJSON {
		kind = "application/x-ndjson"
	}
	return c.Admin.Export(r.Context(), d.as, d.Org, format, func() io.Writer {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longTransfer)) // where it cannot be set, the usual time holds
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Disposition", `attachment; filename="kunci-people.`+string(format)+`"`)
		return w
	})
}

// allow notes what the page of people offers beside the list.
func (p *peoplePage) allow(d desk, listable bool) {
	p.MayImport, p.MayExport = d.as.May(admin.ImportPeople), listable && d.as.May(admin.ExportPeople)
}
