package audit

import (
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

func TestToolVersion(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Path: "github.com/pressly/goose/v3", Version: "v3.29.0"}, Deps: []*debug.Module{
		{Path: "github.com/golang-migrate/migrate/v4", Version: "v4.20.1"},
		{Path: "github.com/uptrace/bun/extra/bundebug", Version: "v1.0.0"},
		{Path: "github.com/rubenv/sql-migrate", Version: "v1.8.0", Replace: &debug.Module{Path: "../fork", Version: "v1.8.1"}},
	}}
	for tool, want := range map[string]string{"goose": "v3.29.0", "golang-migrate": "v4.20.1", "sql-migrate": "v1.8.1", "bun": "", "unknown": "", "xorm": ""} {
		if got := toolVersion(info, tool); got != want {
			t.Errorf("%s: %q, want %q", tool, got, want)
		}
	}
	if got := toolVersion(nil, "goose"); got != "" {
		t.Errorf("without build info: %q", got)
	}
}

func TestBuildServices(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want map[string]string
	}{
		"github": {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octocat", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7", "GITHUB_SHA": "abc"},
			map[string]string{"ci": "github", "ci_actor": "octocat", "ci_run": "https://github.com/o/r/actions/runs/7", "ci_commit": "abc"}},
		"gitlab": {map[string]string{"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "g", "CI_JOB_URL": "https://gitlab/j/1", "CI_COMMIT_SHA": "abc"},
			map[string]string{"ci": "gitlab", "ci_actor": "g", "ci_run": "https://gitlab/j/1", "ci_commit": "abc"}},
		"jenkins": {map[string]string{"JENKINS_URL": "https://ci/", "BUILD_URL": "https://ci/job/1/", "BUILD_USER_ID": "j", "GIT_COMMIT": "abc"},
			map[string]string{"ci": "jenkins", "ci_actor": "j", "ci_run": "https://ci/job/1/", "ci_commit": "abc"}},
		"buildkite": {map[string]string{"BUILDKITE": "true", "BUILDKITE_BUILD_CREATOR": "b", "BUILDKITE_BUILD_URL": "https://buildkite/1", "BUILDKITE_COMMIT": "abc"},
			map[string]string{"ci": "buildkite", "ci_actor": "b", "ci_run": "https://buildkite/1", "ci_commit": "abc"}},
		"circleci": {map[string]string{"CIRCLECI": "true", "CIRCLE_USERNAME": "c", "CIRCLE_BUILD_URL": "https://circleci/1", "CIRCLE_SHA1": "abc"},
			map[string]string{"ci": "circleci", "ci_actor": "c", "ci_run": "https://circleci/1", "ci_commit": "abc"}},
		"github, again": {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "author", "GITHUB_TRIGGERING_ACTOR": "octocat", "GITHUB_SERVER_URL": "https://x:y@github.com", "GITHUB_REPOSITORY": "o/r",
			"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_REF": "refs/pull/3/merge", "GITHUB_WORKFLOW": "deploy"},
			map[string]string{"ci_actor": "octocat", "ci_run": "https://github.com/o/r/actions/runs/7/attempts/2", "ci_ref": "refs/pull/3/merge", "ci_job": "deploy"}},
		"buildkite, unblocked": {map[string]string{"BUILDKITE": "true", "BUILDKITE_UNBLOCKER": "boss", "BUILDKITE_BRANCH": "main"},
			map[string]string{"ci_approver": "boss", "ci_ref": "main"}},
		"azure": {map[string]string{"TF_BUILD": "True", "BUILD_REQUESTEDFOR": "a", "SYSTEM_COLLECTIONURI": "https://dev.azure.com/org/", "SYSTEM_TEAMPROJECT": "shop", "BUILD_BUILDID": "9", "BUILD_SOURCEVERSION": "abc"},
			map[string]string{"ci": "azure", "ci_actor": "a", "ci_run": "https://dev.azure.com/org/shop/_build/results?buildId=9", "ci_commit": "abc"}},
		"bitbucket": {map[string]string{"BITBUCKET_BUILD_NUMBER": "5", "BITBUCKET_GIT_HTTP_ORIGIN": "https://bitbucket.org/o/r", "BITBUCKET_COMMIT": "abc", "BITBUCKET_STEP_TRIGGERER_UUID": "{1}"},
			map[string]string{"ci": "bitbucket", "ci_actor": "{1}", "ci_run": "https://bitbucket.org/o/r/pipelines/results/5", "ci_commit": "abc"}},
		"jenkins, with another's variables": {map[string]string{"JENKINS_URL": "https://ci/", "GITHUB_ACTOR": "octocat", "CI_COMMIT_SHA": "abc"},
			map[string]string{"ci": "jenkins", "ci_actor": "", "ci_commit": ""}},
		"a desk with a stray variable": {map[string]string{"GITHUB_ACTOR": "octocat"}, map[string]string{"ci": "", "ci_actor": ""}},
		"a desk":                       {nil, map[string]string{"ci": "", "ci_actor": "", "ci_run": ""}},
	} {
		a := newActor(Config{}, func(k string) string { return c.env[k] })
		for field, want := range c.want {
			if a[field] != want {
				t.Errorf("%s: %s is %q, want %q", name, field, a[field], want)
			}
		}
	}
}

func TestContainerID(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for name, c := range map[string]struct{ cgroup, mounts, want string }{
		"docker, cgroup 1":        {"12:pids:/docker/" + id + "\n0::/system.slice/x\n", "", id},
		"kubernetes, systemd":     {"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n", "", id},
		"docker, cgroup 2":        {"0::/\n", "22 1 0:1 / / rw - overlay x rw\n600 590 254:1 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw - ext4 x rw\n", id},
		"podman":                  {"0::/\n", "600 590 0:2 /containers/storage/overlay-containers/" + id + "/userdata/hosts /etc/hosts rw - tmpfs x rw\n", id},
		"a layer is no container": {"0::/\n", "22 1 0:1 / / rw - overlay lowerdir=/var/lib/docker/overlay2/" + id + "/diff rw\n", ""},
		"no container":            {"0::/user.slice/session-1.scope\n", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", ""},
	} {
		if got := containerID(c.cgroup, c.mounts); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What the database says is marked as such, and what the process says too.
func TestTrust(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		b.store.scribe.deps.Session = func(uint64) int64 { return 4711 }
		b.store.scribe.actor.set("approver", "boss")
		b.must(b.store.Intent(t.Context(), migration("1"), false))
		fields := b.rows()[0].sections[sectionActor]
		want := map[string]string{"pid": claimed, "process": claimed, "host": claimed, "approver": claimed, "db_session": verified, "db_user": verified, "db_client": verified}
		if b.kit.system == "sqlite" { // has no users
			delete(want, "db_user")
			delete(want, "db_client")
		}
		for field, trust := range want {
			f, _ := fields[field].(map[string]any)
			if f["trust"] != trust || f["value"] == "" {
				t.Errorf("%s is %v, want it %s", field, f, trust)
			}
		}
	})
}

// A role that was assumed is another one than the user that logged in.
func TestRole(t *testing.T) {
	for _, c := range []struct {
		rows []string
		want login
	}{
		{nil, login{}},
		{[]string{"deploy", "deploy", "10.0.0.7"}, login{user: "deploy", client: "10.0.0.7"}},
		{[]string{"deploy", "owner", ""}, login{user: "deploy", role: "owner"}},
	} {
		if got := loginOf(c.rows); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.rows, got, c.want)
		}
	}
}

func TestProcess(t *testing.T) {
	own := map[string]string{"process": process(), "pid": newActor(Config{}, func(string) string { return "" })["pid"]}
	if own["process"] == "" {
		t.Skip("there is no /proc here")
	}
	if alive, seen := processAlive(own); !alive || !seen {
		t.Errorf("this process is alive %v, seen %v", alive, seen)
	}
	table := own["process"][:strings.LastIndexByte(own["process"], '/')]
	for name, c := range map[string]struct {
		who  map[string]string
		seen bool
	}{
		"another start": {map[string]string{"process": table + "/1", "pid": own["pid"]}, true},
		"no such pid":   {map[string]string{"process": own["process"], "pid": "4194304999"}, true},
		"another boot":  {map[string]string{"process": "x/1/1", "pid": own["pid"]}, false},
		"nothing known": {nil, false},
		"no number":     {map[string]string{"process": own["process"], "pid": "x"}, false},
	} {
		if alive, seen := processAlive(c.who); alive || seen != c.seen {
			t.Errorf("%s: alive %v, seen %v; want seen %v", name, alive, seen, c.seen)
		}
	}
	if processStart(os.Getpid()) == "" {
		t.Error("this process has no start")
	}
}
