package app

import (
	"context"

	"kunci.dev/kunci/internal/feedback"
)

// HelpFeedback is what readers of the help said, with the organization by its
// short name; empty where none was known, or it is no longer here.
type HelpFeedback struct {
	feedback.Feedback
	Organization string
}

// ListHelpFeedback gives what readers of the help said, the newest day first.
func (a *App) ListHelpFeedback(ctx context.Context, limit int) ([]HelpFeedback, error) {
	organizations, err := a.Organizations(ctx)
	if err != nil {
		return nil, err
	}
	slugs := make(map[string]string, len(organizations))
	for _, o := range organizations {
		slugs[o.ID] = o.Slug
	}
	said, err := a.Feedback.List(ctx, limit)
	if err != nil {
		return nil, err
	}
	all := make([]HelpFeedback, len(said))
	for i, f := range said {
		all[i] = HelpFeedback{f, slugs[f.OrgID]}
	}
	return all, nil
}
