package audit

import (
	"net/url"
	"os"
	"os/user"
	"strconv"
)

// actor is who runs the migrations of this process, as far as it can tell.
type actor map[string]string

// Who vouches for a field of the actor section.
const (
	claimed  = "claimed"  // the process or its environment says so
	verified = "verified" // the database server says so
)

// newActor looks around once: none of this changes while a process runs.
func newActor(cfg Config, getenv func(string) string) actor {
	a := actor{"pid": strconv.Itoa(os.Getpid())}
	a.set("process", process())
	a.program(buildInfo())
	a.set("actor", cfg.Actor)
	a.set("approver", cfg.Approver)
	if u, err := user.Current(); err == nil {
		a.set("os_user", u.Username)
	}
	a.set("sudo_user", getenv("SUDO_USER"))
	if host, err := os.Hostname(); err == nil {
		a.set("host", host)
	}
	a.container(getenv)
	a.ci(getenv)
	return a
}

func (a actor) set(field, value string) {
	if value != "" {
		a[field] = cut(value, maxField)
	}
}

// section is the actor section. session is the server's number of the migration's
// session; 0 where it is not known.
func (a actor) section(l login, session int64) object {
	o := object{}
	for field, value := range a {
		o[field] = object{"value": value, "trust": claimed}
	}
	known := func(field, value string) {
		if value != "" {
			o[field] = object{"value": cut(value, maxField), "trust": verified}
		}
	}
	known("db_user", l.user)
	known("db_role", l.role)
	known("db_client", l.client)
	if session != 0 {
		known("db_session", strconv.FormatInt(session, 10))
	}
	return o
}

// plainURL is a URL without what may be secret in it: user, query, fragment.
func plainURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
