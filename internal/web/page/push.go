package page

import (
	"encoding/json"
	"net/http"
)

// PushKey is the part of a page that asks the browser for notifications: a page
// that has one holds it as its field Push and calls the template "push-key"
// inside a form. What the browser gives comes in the form's field "subscription".
type PushKey struct {
	// Key is what the browser subscribes with; empty: there are no notifications.
	Key string
	// Send has the form sent at once.
	Send bool
}

// PushWorker serves the script that shows notifications. Its address is fixed,
// and it may look after the page of devices alone.
func PushWorker(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Service-Worker-Allowed", "/push")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", assetTypes[".js"])
	data, err := static.ReadFile("static/push-worker.js")
	if err != nil {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data) // the client may be gone; nothing to do about it
}

type manifest struct {
	Name      string `json:"name"`
	ShortName string `json:"short_name"`
	StartURL  string `json:"start_url"`
	Scope     string `json:"scope"`
	Display   string `json:"display"`
	Icons     []icon `json:"icons"`
}

type icon struct {
	Source  string `json:"src"`
	Sizes   string `json:"sizes"`
	Type    string `json:"type"`
	Purpose string `json:"purpose"`
}

// Manifest lets the page of devices be put on a home screen.
func Manifest(w http.ResponseWriter, r *http.Request) {
	data, err := json.Marshal(manifest{
		Name: "Kunci", ShortName: "Kunci", StartURL: "/push", Scope: "/", Display: "standalone",
		Icons: []icon{{AssetPath("icon.svg"), "any", "image/svg+xml", "any"}},
	})
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/manifest+json")
	_, _ = w.Write(data) // the client may be gone; nothing to do about it
}
