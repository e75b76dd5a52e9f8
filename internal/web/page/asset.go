package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static
var static embed.FS

// assets are the static files by their address, which holds a part of their
// hash: a changed file has another address, so each may be kept for a year.
var assets = sync.OnceValue(func() map[string]asset {
	all := make(map[string]asset)
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		panic("page: " + err.Error()) // the pattern is a constant
	}
	for _, name := range names {
		data, err := static.ReadFile(name)
		if err != nil {
			panic("page: " + err.Error()) // the file is in the binary
		}
		sum := sha256.Sum256(data)
		base := path.Base(name)
		dot := strings.LastIndexByte(base, '.')
		address := "/static/" + base[:dot] + "." + hex.EncodeToString(sum[:6]) + base[dot:]
		all[address] = asset{base, data}
	}
	return all
})

type asset struct {
	name string
	data []byte
}

var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// AssetPath is the address of a static file.
func AssetPath(name string) string {
	for address, a := range assets() {
		if a.name == name {
			return address
		}
	}
	return ""
}

// Assets serves the static files below /static/.
func Assets(w http.ResponseWriter, r *http.Request) {
	a, ok := assets()[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(a.name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.data) // the client may be gone; nothing to do about it
}
