package dashboard

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

const (
	// streamPause is the least time between two messages to a client: what happens
	// meanwhile is in the next one.
	streamPause = 250 * time.Millisecond
	// patience is how long a client may take to read a message. One that is slower
	// is cut off and finds its way back by itself.
	patience = 30 * time.Second
	// heartbeat keeps proxies from closing a silent stream.
	heartbeat = 15 * time.Second
)

// stream sends the picture and then, again and again, what has changed. A client
// that was here before says what it knows (?epoch=…&since=…&latency=…) and is
// sent the rest. It runs on the request's goroutine; nobody waits for it.
func (d *Dashboard) stream(w http.ResponseWriter, r *http.Request) {
	wake := make(chan struct{}, 1)
	if !d.enter(wake) {
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable, "too many pages are open")
		return
	}
	defer d.leave(wake)
	seq, seen := d.known(r)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect the messages
	out := http.NewResponseController(w)
	send := func(message []byte) bool {
		// Where the server knows no deadlines, the connection's own have to do.
		_ = out.SetWriteDeadline(time.Now().Add(patience))
		_, err := w.Write(message)
		return err == nil && out.Flush() == nil
	}
	ticks := time.NewTicker(samplePause)
	defer ticks.Stop()
	var sent time.Time
	for due := true; ; {
		if wait := streamPause - time.Since(sent); due && wait <= 0 {
			d.sample()
			s := d.since(seq)
			s.Latency = d.latency.since(seen)
			if n := len(s.Latency); n > 0 {
				seen = s.Latency[n-1].At
			}
			message, err := json.Marshal(s)
			if err != nil || !send([]byte("data: "+string(message)+"\n\n")) {
				return
			}
			seq, sent, due = s.Seq, time.Now(), false
		} else if time.Since(sent) > heartbeat {
			if !send([]byte(": still here\n\n")) {
				return
			}
			sent = time.Now()
		}
		var pause <-chan time.Time
		if due {
			pause = time.After(streamPause - time.Since(sent))
		}
		select {
		case <-r.Context().Done():
			return
		case <-d.closed:
			return
		case <-wake:
			due = true
		case <-pause:
		case <-ticks.C:
			due = due || d.deps.Metrics != nil
		}
	}
}

// known reads what a client that comes back has.
func (d *Dashboard) known(r *http.Request) (seq uint64, seen int64) {
	q := r.URL.Query()
	if q.Get("epoch") != strconv.FormatInt(at(d.began), 10) {
		return 0, 0
	}
	seq, _ = strconv.ParseUint(q.Get("since"), 10, 64)
	seen, _ = strconv.ParseInt(q.Get("latency"), 10, 64)
	return seq, seen
}

func (d *Dashboard) enter(wake chan struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.clients) >= maxClients {
		return false
	}
	d.clients[wake] = struct{}{}
	return true
}

func (d *Dashboard) leave(wake chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.clients, wake)
}
