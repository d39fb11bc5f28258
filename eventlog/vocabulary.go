package eventlog

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// vocabulary decides what may be shown of an error's text. Server messages quote
// values, names and pieces of SQL, and a RAISE or SIGNAL can say anything; no
// list of patterns finds all of it. So it is the other way round: a word is shown
// only if it is one that database servers and Go's network stack build their
// messages of. It is immutable.
type vocabulary struct {
	known        map[string]struct{}
	contractions *strings.Replacer // an apostrophe in a word is no quote
}

const words = `
a able abort aborted about accept accepted accepting access actively add after again aggregate all allow allowed
already also alter ambiguous an and any apply are argument arguments array as ask assignment at attempt attempted
authentication authorization automatically auxiliary aware bad base be because been before begin being between bind
binding block blocks boolean bounds broken buffer busy but by bytes call called can cancel canceled canceling
cancelled cannot cascade case cast catalog change changed character characters check child choose circular clause
client close closed code collation column column/key columns command commands commit committed concurrent concurrently
conflict conflicting conflicts connect connected connection connections consider constraint contain contains context
conversion convert corresponds corrupt corrupted could count create created creating current currently cursor data
database databases date date/time datetime deadline deadlock default deferred definition delete deleted denied depend
depends dereference detected dial did different directory disabled disk distinct division do does domain done down
driver drop dropped due duplicate during dynamic either element empty encoding encountered end ended engine entry enum
environment eof error errors exceed exceeded exceeds exception exclude exclusive executed execution exist existing
exists expected expecting expired expression extension failed fails failure fatal feature fetch field fields file
first for forbidden foreign foreign-key found from full function functions general generated get goroutine got grant
group handle handshake has have held hint host i/o id identifier identity idle-in-transaction if ignored image
immutable implicit improper in inactive incompatible incomplete incorrect index indexes input insert insufficient
integer interface internal interrupted into invalid involving io is isolation it its join json key keys killed large
last length level limit line locale lock locked locks logic long longer lookup lost malformed manual many map mariadb
match maximum may memory metadata method missing misuse mode more most multiple must mysql name named names near net
network nil no non non-null non-unique not not-null nothing nowait null number object objects occurred of off offset
old on one only open opening operation operator option or order out out-of-range outer outside overflow owner panic
parameter parameters parent parenthesis parse part partition partitioned password peer pending permission permissions
permitted pipe please point pointer policy position postgresql pq precision prepare prepared primary privilege
privileges procedure process protocol query race range reached read read-only reading readonly record recovery
recursive reference referenced references refused rejected relation relations release released remaining remote
replica request require required requires reserved reset resource restart restarting restrict restriction result retry
return returned returning returns right rights role rollback rolled row rows rule runtime savepoint schema schemas
second segment select sequence serializable serialization serialize server session set shared should shut shutdown
shutting signal size slice slots snapshot some space specified sql sqlite sqlstate start started starting state
statement statements status still storage stored string structure subquery success such support supported synchronize
syntax system table tables tablespace target tcp temporary terminated terminating text than that the there these this
time timed timeout timestamp timezone tls to token too tool transaction transactions transport trigger triggers
truncate truncated try trying two type types udp unable undefined unexpected unexpectedly unfinished union unique unix
unknown unreachable unrecognized unsupported unterminated until update updated updates use used user using value
values variable varying version view violate violated violates violation wait waiting wal was when where which while
will window with within without work would write write-only writing wrong year you your zero`

func newVocabulary() vocabulary {
	v := vocabulary{
		known: map[string]struct{}{},
		contractions: strings.NewReplacer("Can't", "Cannot", "can't", "cannot", "doesn't", "does not", "isn't", "is not",
			"didn't", "did not", "hasn't", "has not", "wasn't", "was not", "don't", "do not", "couldn't", "could not"),
	}
	for w := range strings.FieldsSeq(words) {
		v.known[w] = struct{}{}
	}
	return v
}

// maxMessage bounds what is read of a message, in bytes.
const maxMessage = 1024

// message is what may be logged of an error: its class, the server's code, and
// the words of its text that are in the vocabulary, with "?" for the rest.
func (v vocabulary) message(err error, class, code string) string {
	head := class
	if code != "" {
		head += " " + v.code(code)
	}
	if err == nil {
		return head
	}
	text := v.mask(withoutCode(err.Error(), code))
	if text == "" || text == masked {
		return head
	}
	return head + ": " + text
}

// withoutCode takes the code off the end, where drivers repeat it.
func withoutCode(message, code string) string {
	message = strings.TrimSuffix(message, " ("+code+")")
	return strings.TrimSuffix(message, " (SQLSTATE "+code+")")
}

// cause is what may be logged of a panic's value.
func (v vocabulary) cause(value any) string {
	switch c := value.(type) {
	case error:
		return v.mask(c.Error())
	case string:
		return v.mask(c)
	}
	return fmt.Sprintf("%T", value)
}

// code lets through what a server's code looks like.
func (v vocabulary) code(code string) string {
	for i := range len(code) {
		c := code[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return masked
		}
	}
	return clip(code, 8)
}

const masked = "?"

// quotes are those of servers in any language.
const quotes = "'\"`‘’‚“”„«»‹›"

// mask shows the words of a message that are known and "?" for the rest.
func (v vocabulary) mask(message string) string {
	cut := len(message) > maxMessage
	message = v.contractions.Replace(message[:min(len(message), maxMessage)])
	var out strings.Builder
	gap := false // what came last was masked
	for word := range strings.FieldsSeq(unquoted(message, cut)) {
		core := strings.Trim(word, "():;,.!")
		if core == "" {
			continue
		}
		_, known := v.known[strings.ToLower(core)]
		if !known {
			if gap {
				continue
			}
			word = masked
		}
		gap = !known
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(word)
	}
	return out.String()
}

// unquoted takes everything from the first quote to the last out of a message,
// because what stands between them may itself hold quotes, and all that follows
// the first if there is no second or the message was cut.
func unquoted(message string, cut bool) string {
	first := strings.IndexAny(message, quotes)
	if first < 0 {
		return message
	}
	last := strings.LastIndexAny(message, quotes)
	if cut || first == last {
		return message[:first] + " " + masked
	}
	_, size := utf8.DecodeRuneInString(message[last:])
	return message[:first] + " " + masked + " " + message[last+size:]
}
