package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// headers are on every answer. The policy lets the page use what it brings with
// it and nothing else: no other host, no script or style in its text, no frame
// around it.
var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
}

// guard refuses requests under a name that is not ours.
func (d *Dashboard) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		if !d.named(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("the dashboard is not served under the name %q: use localhost or an IP address, or add the name to the dashboard's hosts", cut(r.Host, 200)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named reports whether a request for a host is for us.
func (d *Dashboard) named(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, "localhost") {
		return true
	}
	for _, h := range d.cfg.Hosts {
		if strings.EqualFold(host, strings.TrimSuffix(h, ".")) {
			return true
		}
	}
	return false
}

// data lets in who may see data: with a token, who has it; without one, who is on
// this machine, and everybody if the dashboard is public. A request that a proxy
// passes on is not from this machine, wherever the proxy is.
func (d *Dashboard) data(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case d.cfg.Token != "" && !d.tokenOf(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="sqlwitness"`)
			refuse(w, http.StatusUnauthorized, "a token is needed")
		case d.cfg.Token == "" && !d.cfg.Public && !local(r):
			refuse(w, http.StatusForbidden, "without a token the dashboard is for clients on the same machine: set one to look from elsewhere")
		default:
			next(w, r)
		}
	})
}

// tokenOf compares digests, so that neither the token nor its length shows in how
// long it takes.
func (d *Dashboard) tokenOf(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(d.cfg.Token)), sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

func local(r *http.Request) bool {
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(why + "\n"))
}
