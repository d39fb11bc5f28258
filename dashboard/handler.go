package dashboard

import (
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// Handler serves
//
//	GET  /                  the page
//	GET  /assets/…          its scripts, styles and chart library
//	GET  /api/state         the whole picture, as JSON
//	GET  /api/runs/{id}     a run with its migrations, statements and locks
//	GET  /api/events        the picture and then what changes, as server-sent events
//	GET  /api/audit         how the audit trail stands
//	POST /api/audit/verify  verifies the audit trail; it changes nothing, and leaves an entry that it did
//
// It may be mounted under a prefix that ends in "/": the page asks for all of
// them by relative URLs.
func (d *Dashboard) Handler() http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	static := http.FileServerFS(files)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, "index.html")
	})
	mux.HandleFunc("GET /assets/", func(w http.ResponseWriter, r *http.Request) {
		if !fs.ValidPath(strings.TrimPrefix(r.URL.Path, "/assets/")) { // a folder, or no UTF-8: the file server's answer is a 500
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		http.StripPrefix("/assets", static).ServeHTTP(w, r)
	})
	mux.Handle("GET /api/state", d.data(func(w http.ResponseWriter, r *http.Request) {
		s := d.since(0)
		s.Latency = d.latency.since(0)
		answer(w, r, s)
	}))
	mux.Handle("GET /api/runs/{id}", d.data(func(w http.ResponseWriter, r *http.Request) {
		detail, ok := d.detail(r.PathValue("id"))
		if !ok {
			refuse(w, http.StatusNotFound, "there is no such run; the dashboard keeps the last 1000")
			return
		}
		answer(w, r, detail)
	}))
	mux.Handle("GET /api/events", d.data(d.stream))
	mux.Handle("GET /api/audit", d.data(func(w http.ResponseWriter, r *http.Request) { d.audit.status(w, r, d.deps) }))
	// The answer to a page of somebody else could not be read there, but the work
	// would be done.
	mux.Handle("POST /api/audit/verify", http.NewCrossOriginProtection().Handler(
		d.data(func(w http.ResponseWriter, r *http.Request) { d.audit.verify(w, r, d.deps) })))
	return d.guard(mux)
}

// auditor asks for the audit trail's status and keeps the last verdict.
type auditor struct {
	verifying chan struct{} // holds one token while a verification runs
	mu        sync.Mutex
	last      Status // with a verdict, or none
}

// auditStatus is a Status on its way to the page.
type auditStatus struct {
	Status
	VerifiedAt int64  `json:"verified_at"` // 0: never
	Error      string `json:"error,omitempty"`
}

const (
	statusLimit = 5 * time.Second
	verifyLimit = 10 * time.Minute
)

func (a *auditor) status(w http.ResponseWriter, r *http.Request, deps Deps) {
	if deps.Audit == nil {
		refuse(w, http.StatusNotFound, "there is no audit trail")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	s, err := deps.Audit(ctx)
	a.mu.Lock()
	if s.Verdict == "" && a.last.Verdict != "" {
		s.Verdict, s.Verified, s.Findings, s.Note = a.last.Verdict, a.last.Verified, a.last.Findings, a.last.Note
	}
	a.mu.Unlock()
	answer(w, r, asked(s, err))
}

func (a *auditor) verify(w http.ResponseWriter, r *http.Request, deps Deps) {
	if deps.Verify == nil {
		refuse(w, http.StatusNotFound, "there is no audit trail to verify")
		return
	}
	select {
	case a.verifying <- struct{}{}:
		defer func() { <-a.verifying }()
	default:
		refuse(w, http.StatusConflict, "a verification is running already")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), verifyLimit)
	defer cancel()
	s, err := deps.Verify(ctx)
	if err != nil || s.Verdict == "" {
		s.Verdict = Unknown
	}
	if s.Verdict == Unknown && r.Context().Err() != nil {
		return // it was cut off: nothing was found out, and nobody is there to tell
	}
	if s.Verified.IsZero() {
		s.Verified = deps.Now()
	}
	a.mu.Lock()
	a.last = s
	a.mu.Unlock()
	answer(w, r, asked(s, err))
}

func asked(s Status, err error) auditStatus {
	out := auditStatus{Status: s, VerifiedAt: at(s.Verified)}
	if err != nil {
		out.Error = cut(err.Error(), 500)
	}
	return out
}

// answer writes JSON, compressed if the client takes it.
func answer(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	out := io.Writer(w)
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out = z
	}
	_ = json.NewEncoder(out).Encode(v) // all that can fail is the client
}
