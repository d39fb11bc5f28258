package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// poster posts JSON to one URL, which is a secret as a whole.
type poster struct {
	client *http.Client
	url    *url.URL
	token  string // sent as a bearer token; "" for none
	secret string // in the body; "" for none
	now    func() time.Time
}

func newPoster(client *http.Client, address string) (*poster, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("url: it has to be an http or https URL") // and is not printed
	}
	return &poster{client: client, url: u, now: time.Now}, nil
}

const (
	maxReply   = 256     // bytes of a reply that are shown
	readReply  = 4096    // bytes of a reply that are read: more, so that no secret is cut in two before it is taken out
	maxRequest = 256_000 // bytes of a message; PagerDuty takes 512 KB, others less
)

// post sends a body once. The network's errors, 429 and 5xx may go away; every
// other answer but 2xx is permanent, a redirect too.
func (p *poster) post(ctx context.Context, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return backoff.Permanent(err)
	}
	if len(b) > maxRequest {
		return backoff.Permanent(fmt.Errorf("the message has %d bytes", len(b)))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), bytes.NewReader(b))
	if err != nil {
		return backoff.Permanent(errors.New("no request can be made of it"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "sqlwitness")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer res.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(res.Body, readReply))
	if res.StatusCode/100 == 2 {
		return nil
	}
	if wait := res.Header.Get("Retry-After"); wait != "" && (res.StatusCode == http.StatusTooManyRequests || res.StatusCode/100 == 5) {
		if s, ok := seconds(wait, p.now()); ok {
			return backoff.RetryAfter(s)
		}
	}
	err = fmt.Errorf("it answered %d", res.StatusCode)
	if said := clean(p.hide(string(reply)), maxReply); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode/100 == 5 {
		return err
	}
	return backoff.Permanent(err)
}

// hide takes what is secret out of a text that a server sent back.
func (p *poster) hide(s string) string {
	secrets := []string{p.url.String(), p.url.RequestURI(), p.token, p.secret}
	secrets = append(secrets, strings.Split(p.url.Path, "/")...)
	for _, values := range p.url.Query() {
		secrets = append(secrets, values...)
	}
	if password, ok := p.url.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	return s
}

// withoutURL takes the URL out of an error of net/http, which prints it.
func withoutURL(err error) error {
	var u *url.Error
	if !errors.As(err, &u) {
		return errors.New("it cannot be reached")
	}
	switch {
	case u.Timeout():
		return errors.New("it does not answer in time")
	case errors.Is(err, context.Canceled):
		return errors.New("it has not answered by the end")
	}
	return fmt.Errorf("it cannot be reached: %s", reason(u.Err))
}

// reason is what went wrong with the network, and none of its addresses.
func reason(err error) string {
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return fmt.Sprintf("%T", err)
		}
		err = next
	}
}

// maxPause is the longest that is made of a Retry-After: longer than retryFor, so
// that the message is given up.
const maxPause = 24 * time.Hour

// seconds reads a Retry-After: a number of seconds or a date. One that asks for no
// pause at all is none: the pauses are ours then.
func seconds(s string, now time.Time) (int, bool) {
	n, err := strconv.Atoi(s)
	if err != nil {
		t, err := http.ParseTime(s)
		if err != nil {
			return 0, false
		}
		n = int(t.Sub(now).Seconds())
	}
	return min(n, int(maxPause.Seconds())), n > 0
}
