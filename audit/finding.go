package audit

// Finding is something that verification has found.
type Finding struct {
	Code     Code
	Index    int64  // place in the tree; -1 where it is not about one
	Entry    string // id of the entry; "" where it is not about one
	Sentence string // what was found, in plain words
	Next     string // what to do
}

// Code names what was found. The set is closed.
type Code string

// Codes of what must not be: the record was altered.
const (
	SealMissing        Code = "seal_missing"        // a place in the tree has no row
	SealRepeated       Code = "seal_repeated"       // a place has two
	SealAltered        Code = "seal_altered"        // a leaf of the tree is not what its hash says
	EntryDeleted       Code = "entry_deleted"       // a sealed entry is gone
	EntryAltered       Code = "entry_altered"       // an entry is not what was sealed
	EntryReplayed      Code = "entry_replayed"      // an entry is sealed twice
	EntryForeign       Code = "entry_foreign"       // an entry says that it is of another log, or is no entry
	ColumnAltered      Code = "column_altered"      // a column does not say what the leaf says
	SectionAltered     Code = "section_altered"     // a section is not what the leaf commits to
	SectionForeign     Code = "section_foreign"     // a section that the leaf does not know
	SectionMissing     Code = "section_missing"     // a section is gone, and no entry says that it was erased
	NodeAltered        Code = "node_altered"        // a stored node is not the hash of what is below it
	NodeMissing        Code = "node_missing"        // a stored node is gone
	NodeForeign        Code = "node_foreign"        // a node that the tree does not have
	CheckpointMismatch Code = "checkpoint_mismatch" // the tree was another one when it was signed
	CheckpointForged   Code = "checkpoint_forged"   // a checkpoint in the tables that no trusted key signed
	CheckpointForeign  Code = "checkpoint_foreign"  // a checkpoint of another log, or one filed under another size
	Truncated          Code = "truncated"           // a checkpoint in the tables covers more than there is
	AnchorMismatch     Code = "anchor_mismatch"     // the tree is not the one that left the database
	AnchorAhead        Code = "anchor_ahead"        // an anchor covers more than there is
	CheckpointDeleted  Code = "checkpoint_deleted"  // an anchor has a checkpoint that the tables lack
	LogReplaced        Code = "log_replaced"        // the anchors know another log under this key's name
	LogUnopened        Code = "log_unopened"        // the first entry is not the one that opens the log
	KeyRetired         Code = "key_retired"         // a key has signed whose place another had taken
)

// Codes of what may be innocent, and is worth a look.
const (
	ClockBack   Code = "clock_back"   // the database's clock went back
	IntentOpen  Code = "intent_open"  // a migration began, and nothing says how it ended
	Unsealed    Code = "unsealed"     // entries wait to be sealed
	Unsigned    Code = "unsigned"     // the end of the log has no checkpoint
	Moved       Code = "moved"        // the database is not the one that the log was opened in
	GuardOff    Code = "guard_off"    // a guard of the tables is missing or off
	GuardWeak   Code = "guard_weak"   // some account may do more to the tables than add to them
	CopyStarted Code = "copy_started" // the log goes on from a copy of another
	KeyChanged  Code = "key_changed"  // another key signs, and the old one has not said so
	// LogRecovered: a part of the log is lost, and the holder of the key answers for it.
	LogRecovered Code = "log_recovered"
)

// Warning reports whether a code alone does not mean that the record was
// altered.
func (c Code) Warning() bool {
	switch c {
	case ClockBack, IntentOpen, Unsealed, Unsigned, Moved, GuardOff, GuardWeak, CopyStarted, KeyChanged, LogRecovered:
		return true
	}
	return false
}

// next is what to do about a code.
func (c Code) next() string {
	switch c {
	case AnchorAhead, AnchorMismatch, Truncated:
		return "find out whether a backup was restored; entries after it are lost, and what is left must be compared with the logs of that time; sqlwitness audit recover then answers for the loss"
	case LogRecovered:
		return "see the reason and the ticket of that entry, and what the logs of the time say was lost"
	case KeyRetired:
		return "stop the processes that still sign with the old key; if there are none, it is in the wrong hands"
	case KeyChanged:
		return "if nobody made a new key, find out whose it is; sqlwitness audit rotate replaces a key so that the old one vouches for the new"
	case ClockBack:
		return "compare client_time of the entries around it, and the server's time service"
	case IntentOpen:
		return "see whether the migration is still running; the next run of the witness resolves it"
	case Unsealed, Unsigned:
		return "run any migration through the witness, which seals them, and verify again"
	case Moved, CopyStarted:
		return "if nobody moved or copied the database, find out who did"
	case GuardOff, GuardWeak:
		return "run sqlwitness audit setup with the owner's account; -owner and -writer keep who migrates from owning the tables"
	case CheckpointForged:
		return "check that -key is the public key of every key that has signed; if it is, ask who may write the tables"
	case SectionMissing:
		return "find out who deleted it; sqlwitness audit prune and erase leave an entry"
	case LogReplaced:
		return "ask for the database that the anchors know; this one did not come from it"
	}
	return "keep the database and its backups as they are, and compare with the newest backup that verifies"
}
