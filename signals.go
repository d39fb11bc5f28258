package sqlwitness

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// flushLimit is how long a signal, or a failed migration, may be held up by what
// is still to be written.
const flushLimit = 2 * time.Second

// flushOnSignal closes the witness when the process is asked to end, and then
// lets the signal do what it does. The function returned ends the waiting.
func (w *Witness) flushOnSignal() (stop func()) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer signal.Stop(asked)
		select {
		case <-done:
		case s := <-asked:
			ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
			_ = w.Close(ctx) // what is lost is lost: there is nobody left to tell
			cancel()
			signal.Stop(asked)
			raise(s)
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// raise sends the process the signal again, now that the witness does not catch
// it any more. Where that cannot be done the process ends as by that signal.
func raise(s os.Signal) {
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(s) == nil {
		return
	}
	code := 1
	if n, ok := s.(syscall.Signal); ok {
		code = 128 + int(n)
	}
	os.Exit(code)
}
