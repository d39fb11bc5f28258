package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sqlwitness/sqlwitness/event"
)

const (
	queueLength  = 1024
	queueReserve = 128 // places that only critical alerts take
	sendTimeout  = 5 * time.Second
	retryFor     = 10 * time.Minute
	firstRetry   = 500 * time.Millisecond
	lastRetry    = 30 * time.Second
)

// sender sends alerts to one place in one message, once: as many as
// Channel.batch says, each of another fingerprint. It is called by one
// goroutine. Its errors are free of secrets; one that will not go away by trying
// again is a backoff.PermanentError.
type sender interface {
	send(context.Context, []event.Alert) error
}

// result is what became of a message, or of one try.
type result struct {
	channel  string
	alert    event.Alert
	err      error
	final    bool // there will be no other try
	rejected bool // the channel said no for good
	theirs   bool // a replica has sent it or is about to
}

// worker sends what one channel gets, in order.
type worker struct {
	channel Channel
	sender  sender
	engine  *Engine
	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{}
	ended   chan struct{}

	mu       sync.Mutex
	quiet    sync.Cond // of mu: there is nothing to do
	queue    []event.Alert
	busy     bool
	finished bool
	unsent   int
	why      error // of the last of them
}

func newWorker(ch Channel, s sender, e *Engine) *worker {
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{channel: ch, sender: s, engine: e, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	w.quiet.L = &w.mu
	return w
}

// put queues alerts. When there is no place, the oldest of the least severe
// gives way, which may be a new one.
func (w *worker) put(list ...event.Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range list {
		limit := queueLength
		if a.Severity != event.Critical {
			limit -= queueReserve
		}
		w.queue = append(w.queue, a)
		if len(w.queue) > limit {
			least := 0
			for i, q := range w.queue {
				if rank(q.Severity) < rank(w.queue[least].Severity) {
					least = i
				}
			}
			w.queue = append(w.queue[:least], w.queue[least+1:]...)
			w.engine.count.drop(Drop{w.channel.Name, "queue_full"})
		}
	}
	w.signal()
}

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// finish waits until everything was sent or given up.
func (w *worker) finish() {
	w.mu.Lock()
	w.finished = true
	w.mu.Unlock()
	w.signal()
	<-w.ended
	w.cancel()
}

// left says how many alerts were not sent when the worker had to end, and why.
func (w *worker) left() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsent == 0 {
		return nil
	}
	kept := "and there is no outbox to keep it for the next process"
	if w.engine.deps.Outbox != nil {
		kept = "and the outbox has it for the next process, unless it was refused"
	}
	return fmt.Errorf("alerts: %d could not be sent to %s, %s: %w", w.unsent, w.channel.Name, kept, w.why)
}

func (w *worker) run() {
	defer close(w.ended)
	for {
		batch, finished := w.take()
		switch {
		case len(batch) > 0:
			w.engine.contained(func() { w.deliver(batch) })
			w.delivered()
			w.rest()
		case finished:
			return
		default:
			<-w.wake
		}
	}
}

// take takes what goes into the next message: no two states of one alert, of
// which only the order says which is the later.
func (w *worker) take() (batch []event.Alert, finished bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 && len(batch) < w.channel.batch() {
		a := w.queue[0]
		if slices.ContainsFunc(batch, func(b event.Alert) bool { return b.Fingerprint == a.Fingerprint }) {
			break
		}
		batch, w.queue = append(batch, a), w.queue[1:]
	}
	w.busy = len(batch) > 0
	return batch, w.finished
}

// delivered ends what take began. The rest that a channel is left is nobody's to
// wait for.
func (w *worker) delivered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = false
	w.quiet.Broadcast()
}

// settle waits until there is nothing to do or ctx is done.
func (w *worker) settle(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.quiet.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for (w.busy || len(w.queue) > 0) && ctx.Err() == nil {
		w.quiet.Wait()
	}
}

// idle reports whether the worker has nothing to do.
func (w *worker) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.busy && len(w.queue) == 0
}

// rest leaves the channel alone for as long as its service asks for between two
// messages. What comes meanwhile makes one.
func (w *worker) rest() {
	w.mu.Lock()
	last := w.finished && len(w.queue) == 0
	w.mu.Unlock()
	if w.channel.pace() == 0 || last {
		return
	}
	pause := time.NewTimer(w.channel.pace())
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-w.ctx.Done():
	}
}

// deliver sends alerts, again and again while it makes sense.
func (w *worker) deliver(batch []event.Alert) {
	if w.ctx.Err() != nil {
		w.giveUp(batch, errors.New("closed before it could be sent"), "closed", false)
		return
	}
	if batch = w.claim(batch); len(batch) > 0 {
		w.attempt(batch)
	}
}

func (w *worker) attempt(batch []event.Alert) {
	last, err := w.try(batch)
	var permanent *backoff.PermanentError
	switch {
	case err == nil:
		w.sent(batch)
	case errors.As(last, &permanent) && len(batch) > 1:
		for i := range batch { // one may have spoilt it for all
			w.attempt(batch[i : i+1])
		}
	case permanent != nil:
		w.giveUp(batch, permanent.Unwrap(), "rejected", true)
	case w.ctx.Err() != nil:
		w.giveUp(batch, last, "closed", false)
	default:
		w.giveUp(batch, last, "unreachable", false)
	}
}

// claim leaves those alerts that no replica sends.
func (w *worker) claim(batch []event.Alert) []event.Alert {
	if !w.channel.chat() {
		return batch
	}
	return slices.DeleteFunc(batch, func(a event.Alert) bool {
		mine, err := w.engine.deps.Claims.Claim(w.ctx, w.notice(&a))
		theirs := err == nil && !mine
		if theirs {
			w.engine.results <- result{channel: w.channel.Name, alert: a, final: true, theirs: true}
		}
		return theirs
	})
}

// try sends one message. last is what the channel said last.
func (w *worker) try(batch []event.Alert) (last, err error) {
	_, err = backoff.Retry(w.ctx, func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(w.ctx, sendTimeout)
		defer cancel()
		err := w.sender.send(ctx, batch)
		if err != nil {
			if last = err; isRetryAfter(err) {
				last = errBusy
			}
			w.engine.results <- result{channel: w.channel.Name, alert: batch[0], err: last}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(newJitter(w.engine.deps.Rand)), backoff.WithMaxElapsedTime(retryFor))
	return last, err
}

func (w *worker) sent(batch []event.Alert) {
	for i := range batch {
		w.engine.count.send(w.channel.Name)
		w.engine.results <- result{channel: w.channel.Name, alert: batch[i], final: true}
	}
}

func (w *worker) giveUp(batch []event.Alert, err error, reason string, rejected bool) {
	for i := range batch {
		a := &batch[i]
		w.mu.Lock()
		w.unsent, w.why = w.unsent+1, err
		w.mu.Unlock()
		if w.channel.chat() {
			ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
			_ = w.engine.deps.Claims.Release(ctx, w.notice(a)) // what is lost by an error is one message
			cancel()
		}
		w.engine.count.drop(Drop{w.channel.Name, reason})
		w.engine.results <- result{channel: w.channel.Name, alert: *a, err: err, final: true, rejected: rejected}
	}
}

func (w *worker) notice(a *event.Alert) Notice {
	return Notice{a.Fingerprint, a.Episode, w.channel.Name, a.State, a.Severity}
}

var errBusy = errors.New("it asks to be left alone for a while (429)")

func isRetryAfter(err error) bool {
	var r *backoff.RetryAfterError
	return errors.As(err, &r)
}

// jitter draws each pause from nothing up to a bound that doubles: replicas
// that failed together do not try again together.
type jitter struct {
	*backoff.ExponentialBackOff
	rand func() float64
}

func newJitter(random func() float64) jitter {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier, b.RandomizationFactor = firstRetry, lastRetry, 2, 0
	return jitter{b, random}
}

func (j jitter) NextBackOff() time.Duration {
	return time.Duration(j.rand() * float64(j.ExponentialBackOff.NextBackOff()))
}

// chat reports whether a channel shows every message that it is sent, so that
// replicas have to agree on who sends it. Alertmanager and PagerDuty know
// duplicates themselves.
func (ch Channel) chat() bool { return ch.Kind != "alertmanager" && ch.Kind != "pagerduty" }

// batch is how many alerts a channel takes in one message.
func (ch Channel) batch() int {
	switch ch.Kind {
	case "alertmanager":
		return 64
	case "slack":
		return 10
	}
	return 1
}

// pace is how long a channel is left alone after a message: Slack takes about
// one a second.
func (ch Channel) pace() time.Duration {
	if ch.Kind == "slack" {
		return time.Second
	}
	return 0
}

// sender makes what sends to a channel. Its secrets are read here.
func (ch Channel) sender(d Deps) (sender, error) {
	url, err := ch.URL.reveal(d.Getenv)
	if err != nil {
		return nil, err
	}
	key, err := ch.Key.reveal(d.Getenv)
	if err != nil {
		return nil, err
	}
	if ch.Kind == "exec" {
		return command{ch.Command}, nil
	}
	if ch.Kind == "pagerduty" && url == "" {
		url = pagerDutyEvents
	}
	to, err := newPoster(d.HTTP, url)
	if err != nil {
		return nil, err
	}
	switch ch.Kind {
	case "alertmanager":
		return newAlertmanager(to), nil
	case "pagerduty":
		to.secret = key
		return pagerDuty{to}, nil
	case "slack":
		return slack{to}, nil
	}
	to.token = key
	return webhook{to}, nil
}
