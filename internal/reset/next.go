package reset

import "kunci.dev/kunci/internal/problem"

// Page is where a flow stands, as the pages' data-page has it.
type Page string

// The pages.
const (
	PageChoose     Page = "reset-choose"
	PageVerify     Page = "reset-verify"
	PagePassword   Page = "reset-password"
	PageDone       Page = "reset-done"
	PageUnlockDone Page = "unlock-done"
	PageProblem    Page = "reset-problem"
)

// Step is what comes next.
type Step struct {
	Page    Page
	Path    string       // of the page
	Problem problem.Code // on PageProblem
}

// Next says where a flow stands. It is a pure function of what is stored: the
// flow, and how many of the gates that the policy needs now are passed.
func Next(f Flow, passed, needed int) Step {
	switch f.State {
	case Choosing:
		return Step{Page: PageChoose, Path: "/reset/verify"}
	case Verifying:
		if f.MethodID == "" {
			return Step{Page: PageChoose, Path: "/reset/verify"}
		}
		return Step{Page: PageVerify, Path: "/reset/verify"}
	case ChoosingPassword, Writing:
		// A policy that asks for more than it did sends back to choosing.
		if needed < 1 || passed < needed {
			return Step{Page: PageChoose, Path: "/reset/verify"}
		}
		return Step{Page: PagePassword, Path: "/reset/password"}
	case Done:
		return Step{Page: PageDone, Path: "/reset/done"}
	case Unlocked:
		return Step{Page: PageUnlockDone, Path: "/reset/done"}
	case Problem:
		return Step{Page: PageProblem, Path: "/reset/problem", Problem: f.Problem}
	}
	return Step{Page: PageProblem, Path: "/reset/problem", Problem: problem.Expired}
}
