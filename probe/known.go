package probe

import "sync"

// maxKnown bounds the sessions remembered as ours. Those beyond it are the
// oldest, whose connections a pool has mostly replaced.
const maxKnown = 1024

// known are the sessions that are ours, whether a statement is in flight on them
// or not: one that holds a tool's lock while another migrates is idle.
type known struct {
	mu    sync.Mutex
	order []int64
	ids   map[int64]bool
}

func (k *known) add(id int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil {
		k.ids = map[int64]bool{}
	}
	if k.ids[id] {
		return
	}
	if len(k.order) == maxKnown {
		delete(k.ids, k.order[0])
		k.order = k.order[1:]
	}
	k.ids[id] = true
	k.order = append(k.order, id)
}

func (k *known) has(id int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ids[id]
}
