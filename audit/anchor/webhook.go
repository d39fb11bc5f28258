package anchor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/cenkalti/backoff/v5"
)

// Webhook POSTs each note as text/plain. Any 2xx answer means that it is kept;
// 5xx, 429 and network failures are tried again, every other answer is final.
type Webhook struct {
	url    *url.URL
	client *http.Client
	header http.Header
}

// NewWebhook is an anchor at an http or https URL, which is a secret: it is in
// no name and no error. header may be nil. A nil client is one that follows no
// redirect, which could lead a note and its header's token elsewhere.
func NewWebhook(rawURL string, header http.Header, client *http.Client) (*Webhook, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("anchor: the webhook is no http:// or https:// URL")
	}
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Webhook{url: u, client: client, header: header}, nil
}

// Name is "webhook" and the host.
func (w *Webhook) Name() string { return "webhook " + w.url.Hostname() }

// Put sends the note.
func (w *Webhook) Put(ctx context.Context, note []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(note))
	if err != nil {
		return backoff.Permanent(errors.New("anchor: the request could not be made"))
	}
	for name, values := range w.header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("anchor: %s: %w", w.Name(), harmless(err))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode/100 == 5, resp.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("anchor: %s answered %d", w.Name(), resp.StatusCode)
	default:
		return backoff.Permanent(fmt.Errorf("anchor: %s answered %d", w.Name(), resp.StatusCode))
	}
}

// harmless is what of net/http's error holds nothing that was sent: its own text has
// the URL, and what it quotes of a server's answer may repeat it.
func harmless(err error) error {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network):
		return network
	case errors.As(err, &certificate):
		return certificate
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	return errors.New("the answer cannot be read")
}
