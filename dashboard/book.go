package dashboard

// book keeps the newest records by key and forgets the oldest first. Every
// operation but since is O(1).
type book[T any] struct {
	limit int
	slots []*slot[T] // a ring; the oldest is at next once it is full
	next  int
	byKey map[string]*slot[T]
}

type slot[T any] struct {
	key     string
	changed uint64
	value   T
}

func newBook[T any](limit int) book[T] {
	return book[T]{limit: limit, byKey: map[string]*slot[T]{}}
}

// put finds the record of a key, or makes it, and marks it as changed.
func (b *book[T]) put(key string, seq uint64) *T {
	s := b.byKey[key]
	if s == nil {
		s = &slot[T]{key: key}
		b.byKey[key] = s
		if len(b.slots) < b.limit {
			b.slots = append(b.slots, s)
		} else {
			delete(b.byKey, b.slots[b.next].key)
			b.slots[b.next] = s
			b.next = (b.next + 1) % b.limit
		}
	}
	s.changed = seq
	return &s.value
}

// change finds the record of a key and marks it as changed; nil if there is none.
func (b *book[T]) change(key string, seq uint64) *T {
	s := b.byKey[key]
	if s == nil {
		return nil
	}
	s.changed = seq
	return &s.value
}

// get finds the record of a key; nil if there is none.
func (b *book[T]) get(key string) *T {
	if s := b.byKey[key]; s != nil {
		return &s.value
	}
	return nil
}

// since copies the records that changed after seq, the oldest record first. It
// is never nil, so that JSON has a list.
func (b *book[T]) since(seq uint64) []T {
	found := []T{}
	for i := range b.slots {
		if s := b.slots[(b.next+i)%len(b.slots)]; s.changed > seq {
			found = append(found, s.value)
		}
	}
	return found
}

// fifo is a queue of keys. push returns the one that falls out, "" for none.
type fifo struct {
	limit int
	keys  []string
	next  int
}

func (f *fifo) push(key string) (out string) {
	if len(f.keys) < f.limit {
		f.keys = append(f.keys, key)
		return ""
	}
	out, f.keys[f.next] = f.keys[f.next], key
	f.next = (f.next + 1) % f.limit
	return out
}
