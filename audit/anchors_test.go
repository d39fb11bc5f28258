package audit

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
)

// memory is an anchor that a test can read.
type memory struct {
	mu    sync.Mutex
	notes [][]byte
}

func (*memory) Name() string { return "memory" }

func (m *memory) Put(_ context.Context, note []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes = append(m.notes, bytes.Clone(note))
	return nil
}

func (m *memory) list() []anchor.Anchor { return []anchor.Anchor{m} }

func (m *memory) texts() []io.Reader {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text bytes.Buffer
	for _, n := range m.notes {
		text.Write(anchor.Line(n))
	}
	return []io.Reader{&text}
}
