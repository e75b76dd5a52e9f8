package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

// methodPage is one method, and what is about to happen to it.
type methodPage struct {
	page.Base
	Method     method.Method
	Loses      bool
	LastFactor bool
	Until      string // of a deleted one: until when it can be brought back
	Typed      string
	CanReplace bool
	Kept       bool
	Given      bool // the organization entered it, and nobody confirmed it
	Days       int
}

// about shows a page on a method after checking that the step would be taken.
func (p *Portal) about(r *http.Request, v visitor, name, title string) (*methodPage, error) {
	id := r.PathValue("id")
	effect, err := p.SecurityInfo.Effect(r.Context(), v.who(), id)
	if err != nil {
		return nil, err
	}
	if err := p.SecurityInfo.Fresh(r.Context(), v.who(), effect.Method.Kind); err != nil {
		return nil, err
	}
	shown := &methodPage{
		Base: v.base(name, title, infoPath), Method: effect.Method, Loses: effect.Loses, LastFactor: effect.LastFactor,
		Typed: effect.Method.Name, Days: int(method.UndoFor.Hours() / 24),
	}
	shown.About = string(effect.Method.Kind)
	if effect.Kept != nil {
		shown.Kept = true
		shown.Refuse(effect.Kept, page.Lang(r))
	}
	return shown, nil
}

// deletePage asks in other words where somebody says that a method is not theirs.
func (p *Portal) deletePage(r *http.Request, v visitor) (*methodPage, error) {
	shown, err := p.about(r, v, "security-info-delete", "securityinfo.delete.title")
	if err == nil && shown.Method.Given() {
		shown.Given, shown.Title = true, "given.decline.title"
	}
	return shown, err
}

func (p *Portal) getDelete(w http.ResponseWriter, r *http.Request) error {
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		shown, err := p.deletePage(r, v)
		if err != nil {
			return err
		}
		return p.Pages.Write(w, r, http.StatusOK, "securityinfo_delete", shown)
	})
}

func (p *Portal) postDelete(w http.ResponseWriter, r *http.Request) error {
	if _, err := page.ReadForm(r); err != nil {
		return err
	}
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		_, err := p.SecurityInfo.Delete(r.Context(), v.by, v.who(), r.PathValue("id"))
		if refusal, ok := refusalOf(err); ok {
			view, err := p.deletePage(r, v)
			if err != nil {
				return err
			}
			return p.refuse(w, r, "securityinfo_delete", view, &view.Base, refusal)
		}
		if err != nil {
			return err
		}
		return seeDone(w, r, "deleted")
	})
}

// undoPage shows what would be brought back. A method that is there already has
// nothing to undo.
func (p *Portal) undoPage(r *http.Request, v visitor) (*methodPage, error) {
	m, err := p.SecurityInfo.Deleted(r.Context(), v.who(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return &methodPage{
		Base: v.base("security-info-undo", "securityinfo.undo.title", infoPath), Method: m,
		Until: v.printer(r).DateTime(securityinfo.UndoUntil(m)),
	}, nil
}

func (p *Portal) getUndo(w http.ResponseWriter, r *http.Request) error {
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		view, err := p.undoPage(r, v)
		if problem.Has(err, problem.NotFound) {
			if _, err := p.SecurityInfo.Effect(r.Context(), v.who(), r.PathValue("id")); err == nil {
				return page.See(w, r, infoPath)
			}
		}
		if err != nil {
			return err
		}
		return p.Pages.Write(w, r, http.StatusOK, "securityinfo_undo", view)
	})
}

func (p *Portal) postUndo(w http.ResponseWriter, r *http.Request) error {
	if _, err := page.ReadForm(r); err != nil {
		return err
	}
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		_, err := p.SecurityInfo.Undo(r.Context(), v.by, v.who(), r.PathValue("id"))
		if refusal, ok := refusalOf(err); ok && refusal.Code != problem.UndoExpired {
			view, err := p.undoPage(r, v)
			if err != nil {
				return err
			}
			return p.refuse(w, r, "securityinfo_undo", view, &view.Base, refusal)
		}
		if err != nil {
			return err
		}
		return seeDone(w, r, "undone")
	})
}

func (p *Portal) changeMethodPage(r *http.Request, v visitor) (*methodPage, error) {
	shown, err := p.about(r, v, "security-info-change", "securityinfo.change.title")
	if err != nil {
		return nil, err
	}
	view, err := p.SecurityInfo.View(r.Context(), v.who())
	if err != nil {
		return nil, err
	}
	_, shown.CanReplace = offeredKind(view, shown.Method.Kind)
	return shown, nil
}

func (p *Portal) getChange(w http.ResponseWriter, r *http.Request) error {
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		shown, err := p.changeMethodPage(r, v)
		if err != nil {
			return err
		}
		return p.Pages.Write(w, r, http.StatusOK, "securityinfo_change", shown)
	})
}

// postChange gives a method another name, or begins the one that takes its place.
func (p *Portal) postChange(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		view, err := p.changeMethodPage(r, v)
		if err != nil {
			return err
		}
		if name, typed := form["name"]; form["action"] == "rename" || typed && len(form) == 1 {
			err := p.SecurityInfo.Rename(r.Context(), v.by, v.who(), id, name)
			if refusal, ok := refusalOf(err); ok {
				view.Typed = name
				return p.refuse(w, r, "securityinfo_change", view, &view.Base, refusal)
			}
			if err != nil {
				return err
			}
			return seeDone(w, r, "renamed")
		}
		if view.Kept {
			return p.Pages.Write(w, r, http.StatusUnprocessableEntity, "securityinfo_change", view)
		}
		form["replaces"] = id
		return p.begin(w, r, v, view.Method.Kind, id, form)
	})
}

// getDefault is where somebody comes back to who had to prove themselves first.
func (p *Portal) getDefault(w http.ResponseWriter, r *http.Request) error {
	return page.See(w, r, infoPath)
}

func (p *Portal) postDefault(w http.ResponseWriter, r *http.Request) error {
	if _, err := page.ReadForm(r); err != nil {
		return err
	}
	return p.person(w, r, infoPath, func(v visitor) error {
		err := p.SecurityInfo.SetDefault(r.Context(), v.by, v.who(), r.PathValue("id"))
		if refusal, ok := refusalOf(err); ok {
			view, err := p.infoPage(r, v)
			if err != nil {
				return err
			}
			return p.refuse(w, r, "securityinfo_list", view, &view.Base, refusal)
		}
		if err != nil {
			return err
		}
		return seeDone(w, r, "default")
	})
}
