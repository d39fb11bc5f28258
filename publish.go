package sqlwitness

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
)

// publisher brings the metrics to where they are kept, for programs that are
// gone before anybody scrapes them: at the end of each run, and at Close.
type publisher struct {
	event.Ignore
	w        *Witness
	textfile string
	url      string
	client   *http.Client

	turn   chan struct{}   // full while it publishes: one at a time
	failed map[string]bool // what did the last time; whose turn it is has it
	asked  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// flushOnFailure is what Config.FlushOnFailure promises.
func (w *Witness) flushOnFailure() {
	if !w.cfg.FlushOnFailure {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	some, done := share(ctx)
	w.alerts.Flush(some)
	done()
	if w.publisher != nil {
		_ = w.publisher.publish(ctx) // it has told of its trouble
	}
}

// publishLimit bounds one attempt at the end of a run; Close has its own.
const publishLimit = 10 * time.Second

// newPublisher makes a publisher; nil if there is nowhere to publish to, or
// nothing.
func (w *Witness) newPublisher() *publisher {
	if w.cfg.Disabled || w.cfg.Textfile == "" && w.cfg.PushURL == "" {
		return nil
	}
	p := &publisher{w: w, textfile: w.cfg.Textfile, url: w.cfg.PushURL, client: &http.Client{Timeout: publishLimit},
		turn: make(chan struct{}, 1), failed: map[string]bool{}, asked: make(chan struct{}, 1), closed: make(chan struct{})}
	go p.run()
	return p
}

// Run asks for the metrics to be published once a run has ended.
func (p *publisher) Run(r *event.Run) {
	if !r.Finished {
		return
	}
	select {
	case p.asked <- struct{}{}:
	default: // it will be published with the one that is asked for already
	}
}

func (p *publisher) run() {
	for {
		select {
		case <-p.closed:
			return
		case <-p.asked:
			ctx, cancel := context.WithTimeout(context.Background(), publishLimit)
			_ = p.publish(ctx) // it has told of its trouble
			cancel()
		}
	}
}

func (p *publisher) close(ctx context.Context) error {
	if p == nil {
		return nil
	}
	p.once.Do(func() { close(p.closed) })
	return p.publish(ctx)
}

// publish waits for an earlier one to end, or to give up, for as long as ctx
// allows.
func (p *publisher) publish(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
	default:
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-p.turn }()
	defer p.w.contain("publish")
	var errs []error
	if p.textfile != "" {
		errs = append(errs, p.done("textfile", metrics.WriteTextfile(p.textfile, p.w.WritePrometheus)))
	}
	if p.url != "" {
		errs = append(errs, p.done("push", metrics.Push(ctx, p.client, p.url, p.w.WritePrometheus)))
	}
	return errors.Join(errs...)
}

// done tells of what went wrong, and that it does not any more.
func (p *publisher) done(kind string, err error) error {
	switch {
	case err != nil:
		p.w.trouble(event.Trouble{Part: "metrics", Kind: kind, Message: err.Error(), Hint: "the metrics of this process are not where they should be"})
	case p.failed[kind]:
		p.w.trouble(event.Trouble{Part: "metrics", Kind: kind, Message: "the metrics are where they should be again", Over: true})
	}
	p.failed[kind] = err != nil
	return err
}
