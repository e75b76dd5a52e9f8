package e2e

import (
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

func chromedpEnabled(selector string) chromedp.Action {
	return chromedp.WaitVisible(selector+":not([disabled])", chromedp.ByQuery)
}
