package feedback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

const (
	// MaxComment bounds a comment, in characters.
	MaxComment = 1000
	// Kept is how long feedback is kept.
	Kept = 365 * 24 * time.Hour
	// MaxQuality is the best mark for how an article is written; the worst is 1.
	MaxQuality = 5
)

// Affected is what a reader can name as standing in the way.
var Affected = []string{"words", "steps", "length", "missing", "translation"}

var (
	perNetwork      = throttle.Limit{Limit: 5, Per: time.Hour}
	perInstallation = throttle.Limit{Limit: 500, Per: time.Hour}
)

// Feedback is what one reader says about one article.
type Feedback struct {
	Day      time.Time // midnight, UTC
	OrgID    string    // empty where no organization is known
	Article  string
	Lang     string
	Helpful  bool
	Quality  int // 1 to MaxQuality, 0: not said
	Affected []string
	Comment  string
}

// Service keeps feedback.
type Service struct{ db *store.DB }

// New refuses missing parts.
func New(db *store.DB) (*Service, error) {
	if db == nil {
		return nil, errors.New("feedback: no database")
	}
	return &Service{db}, nil
}

// Leave keeps feedback that came from an address; the day is today's. The
// address is counted and not kept with it. Problems: TooLong, BadInput, Blocked.
func (s *Service) Leave(ctx context.Context, address string, f Feedback) error {
	if err := f.check(); err != nil {
		return err
	}
	f.Comment = clean(f.Comment)
	var refusal error
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		refusal = nil
		// The network first: one that is over its own limit uses up nothing of
		// the others'.
		for _, count := range []struct {
			key   string
			limit throttle.Limit
		}{{"help_feedback:network:" + throttle.Network(address), perNetwork}, {"help_feedback:installation", perInstallation}} {
			verdict, err := throttle.Take(ctx, tx, count.key, count.limit)
			if err != nil {
				return err
			}
			if !verdict.Allowed {
				refusal = problem.New(problem.Blocked).After(verdict.RetryAfter)
				return nil // a refusal commits: its count must survive
			}
		}
		f.Day = tx.Now().UTC()
		return insert(ctx, tx, f)
	})
	if err != nil {
		return fmt.Errorf("leave feedback: %w", err)
	}
	return refusal
}

func (f Feedback) check() error {
	switch {
	case f.Article == "" || f.Lang == "":
		return errors.New("leave feedback: no article or no language")
	case f.Quality < 0 || f.Quality > MaxQuality:
		return problem.New(problem.BadInput).On("language_quality")
	case utf8.RuneCountInString(f.Comment) > MaxComment:
		return problem.New(problem.TooLong, "max", MaxComment).On("comment")
	}
	for i, name := range f.Affected {
		if !slices.Contains(Affected, name) || slices.Contains(f.Affected[:i], name) {
			return problem.New(problem.BadInput).On("affected[]")
		}
	}
	return nil
}

// clean keeps what can be read and the ends of lines. Control characters and
// marks that reorder or hide text are not.
func clean(comment string) string {
	comment = strings.ReplaceAll(strings.ToValidUTF8(comment, ""), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, comment))
}

// List gives feedback, the newest day first, at most limit.
func (s *Service) List(ctx context.Context, limit int) (all []Feedback, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = selectNewest(ctx, tx, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list feedback: %w", err)
	}
	return all, nil
}

// Purge drops what is older than Kept.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) error {
	if err := deleteBefore(ctx, tx, tx.Now().Add(-Kept)); err != nil {
		return fmt.Errorf("purge feedback: %w", err)
	}
	return nil
}
