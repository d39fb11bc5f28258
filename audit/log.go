package audit

import "maps"

// logOpen is what the entry that opens a log says: which log the tree belongs to
// from there on. A log is opened with the first entry that is sealed, and again
// where the database turns out to be a copy of the one that it was opened in:
// the copy and the original grow apart, and are two logs from there on.
type logOpen struct {
	Log    string            `json:"log_id"`
	Facts  map[string]string `json:"identity"`
	Parent *logParent        `json:"parent"`
}

// logParent is the log that another goes on from.
type logParent struct {
	Log  string `json:"log_id"`
	Size int64  `json:"size"`
	Root string `json:"root"`
}

// opens reports whether the entry does open a log where it is sealed. Of two
// processes that open one at once, the second one's entry does not.
func (o *logOpen) opens(idx int64) bool {
	if o.Log == "" || idx == 0 {
		return o.Log != ""
	}
	return o.Parent != nil && o.Parent.Size == idx
}

// elsewhere reports whether facts are those of another database. A fact that
// only one side has says nothing.
func (o *logOpen) elsewhere(now map[string]string) bool {
	for name, was := range o.Facts {
		if is, ok := now[name]; ok && is != was {
			return true
		}
	}
	return false
}

// opening makes the entry that opens a log. Its id is the log's.
func (s *scribe) opening(identity map[string]string, from *head) (*entry, error) {
	id := s.newID()
	e := &entry{id: id, attempt: id, kind: kindLogOpen, stage: stageStart}
	h := object{
		"v":           formatVersion,
		"id":          id.String(),
		"attempt":     id.String(),
		"kind":        e.kind,
		"stage":       e.stage,
		"log_id":      id.String(),
		"client_time": timestamp(s.deps.Now()),
		"mode":        s.cfg.Mode.String(),
		"db":          object{"system": cut(s.db.System, maxField), "name": cut(s.db.Name, maxField)},
		"identity":    maps.Clone(identity),
		"c":           object{},
	}
	h.text("lib", s.deps.Library)
	if from.size > 0 {
		h["parent"] = object{"log_id": from.log, "size": integer(from.size), "root": from.root().String()}
	}
	var err error
	e.leaf, err = canonical(h)
	return e, err
}
