package audit

// ciService is what a build service tells a job of itself, as its documentation
// has it: names of environment variables. Those of another service count for
// nothing in its jobs.
type ciService struct {
	name     string
	variable string   // that is set in every job
	actor    []string // who started the build; the first that is set
	approver string   // who let it go on
	commit   string
	ref      string // branch, tag or pull request
	job      string
	run      func(getenv func(string) string) string // the build's URL
}

var ciServices = [...]ciService{
	{name: "github", variable: "GITHUB_ACTIONS", actor: []string{"GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"}, commit: "GITHUB_SHA", ref: "GITHUB_REF", job: "GITHUB_WORKFLOW",
		run: func(getenv func(string) string) string {
			run := joined(getenv, "GITHUB_SERVER_URL", "/", "GITHUB_REPOSITORY", "/actions/runs/", "GITHUB_RUN_ID")
			if again := getenv("GITHUB_RUN_ATTEMPT"); run != "" && again != "" {
				run += "/attempts/" + again
			}
			return plainURL(run)
		}},
	{name: "gitlab", variable: "GITLAB_CI", actor: []string{"GITLAB_USER_LOGIN"}, commit: "CI_COMMIT_SHA", ref: "CI_COMMIT_REF_NAME", job: "CI_JOB_NAME", run: urlIn("CI_JOB_URL")},
	{name: "jenkins", variable: "JENKINS_URL", actor: []string{"BUILD_USER_ID"}, commit: "GIT_COMMIT", ref: "GIT_BRANCH", job: "JOB_NAME", run: urlIn("BUILD_URL")},
	{name: "buildkite", variable: "BUILDKITE", actor: []string{"BUILDKITE_BUILD_CREATOR"}, approver: "BUILDKITE_UNBLOCKER", commit: "BUILDKITE_COMMIT", ref: "BUILDKITE_BRANCH",
		job: "BUILDKITE_PIPELINE_SLUG", run: urlIn("BUILDKITE_BUILD_URL")},
	{name: "circleci", variable: "CIRCLECI", actor: []string{"CIRCLE_USERNAME"}, commit: "CIRCLE_SHA1", ref: "CIRCLE_BRANCH", job: "CIRCLE_JOB", run: urlIn("CIRCLE_BUILD_URL")},
	{name: "azure", variable: "TF_BUILD", actor: []string{"BUILD_REQUESTEDFOR"}, commit: "BUILD_SOURCEVERSION", ref: "BUILD_SOURCEBRANCH", job: "BUILD_DEFINITIONNAME",
		run: func(getenv func(string) string) string {
			run, id := plainURL(joined(getenv, "SYSTEM_COLLECTIONURI", "", "SYSTEM_TEAMPROJECT", "/_build/results")), getenv("BUILD_BUILDID")
			if run == "" || id == "" {
				return ""
			}
			return run + "?buildId=" + id
		}},
	{name: "bitbucket", variable: "BITBUCKET_BUILD_NUMBER", actor: []string{"BITBUCKET_STEP_TRIGGERER_UUID"}, commit: "BITBUCKET_COMMIT", ref: "BITBUCKET_BRANCH",
		run: func(getenv func(string) string) string {
			return plainURL(joined(getenv, "BITBUCKET_GIT_HTTP_ORIGIN", "/pipelines/results/", "BITBUCKET_BUILD_NUMBER"))
		}},
}

// ci reads what the build service says whose job this process is in.
func (a actor) ci(getenv func(string) string) {
	for _, s := range ciServices {
		if getenv(s.variable) == "" {
			continue
		}
		a.set("ci", s.name)
		a.set("ci_actor", first(getenv, s.actor...))
		a.set("ci_approver", first(getenv, s.approver))
		a.set("ci_commit", first(getenv, s.commit))
		a.set("ci_ref", first(getenv, s.ref))
		a.set("ci_job", first(getenv, s.job))
		a.set("ci_run", s.run(getenv))
		return
	}
}

func urlIn(variable string) func(func(string) string) string {
	return func(getenv func(string) string) string { return plainURL(getenv(variable)) }
}

// joined is the values of variables and the texts between them, in turn; "" where
// a variable is not set.
func joined(getenv func(string) string, parts ...string) (s string) {
	for i, p := range parts {
		if i%2 == 0 {
			if p = getenv(p); p == "" {
				return ""
			}
		}
		s += p
	}
	return s
}

// first is the value of the first variable that is set.
func first(getenv func(string) string, names ...string) string {
	for _, n := range names {
		if n == "" {
			continue
		}
		if v := getenv(n); v != "" {
			return v
		}
	}
	return ""
}
