package metrics

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Push sends the metrics to a server that takes the Prometheus text format by
// POST: VictoriaMetrics (/api/v1/import/prometheus), a Pushgateway
// (/metrics/job/NAME). It tries again on errors of the network, 429 and 5xx until
// ctx is done, at most five times. The error never holds the URL, which may
// carry a password or a token. A redirection is not followed: net/http would come
// without the metrics (301, 302), and with the URL as the referrer.
func Push(ctx context.Context, client *http.Client, to string, write func(io.Writer)) error {
	var body bytes.Buffer
	write(&body)
	straight := *client
	straight.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	send := func() (struct{}, error) { return struct{}{}, post(ctx, &straight, to, body.Bytes()) }
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 2*time.Second
	_, err := backoff.Retry(ctx, send, backoff.WithBackOff(wait), backoff.WithMaxTries(5))
	return err
}

func post(ctx context.Context, client *http.Client, to string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("push metrics: the URL does not parse"))
	}
	req.Header.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("push metrics: %w", harmless(err))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10))
	// Not in the server's own words, which may repeat the URL.
	status := fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode < 400:
		return backoff.Permanent(fmt.Errorf("push metrics: the server answered %s: give the URL that it leads to", status))
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		return fmt.Errorf("push metrics: the server answered %s", status)
	}
	return backoff.Permanent(fmt.Errorf("push metrics: the server answered %s", status))
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
	return errors.New("the server's answer cannot be read")
}
