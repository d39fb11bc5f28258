package audit

import (
	"os"
	"regexp"
	"strings"
)

// containerDigest is the full id of a container, as Docker, containerd, CRI-O and
// Podman make them.
var containerDigest = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// containerID is the id of the container that this process runs in, by its own
// /proc/self/cgroup and /proc/self/mountinfo; "" where they do not tell.
func containerID(cgroup, mountinfo string) string {
	if id := containerDigest.FindString(cgroup); id != "" {
		return id
	}
	// With a cgroup namespace the former is "/"; the files that the runtime mounts
	// still come from a directory of the container's.
	for line := range strings.Lines(mountinfo) {
		if strings.Contains(line, "containers/") {
			if id := containerDigest.FindString(line); id != "" {
				return id
			}
		}
	}
	return ""
}

func (a actor) container(getenv func(string) string) {
	read := func(path string) string {
		b, _ := os.ReadFile(path) // what cannot be read is not known
		return strings.TrimSpace(string(b))
	}
	a.set("container_id", containerID(read("/proc/self/cgroup"), read("/proc/self/mountinfo")))
	switch {
	case getenv("KUBERNETES_SERVICE_HOST") != "":
		a.set("pod", first(getenv, "POD_NAME", "HOSTNAME"))
		a.set("namespace", first(getenv, "POD_NAMESPACE"))
		if a["namespace"] == "" {
			a.set("namespace", read("/var/run/secrets/kubernetes.io/serviceaccount/namespace"))
		}
	case a["container_id"] != "", exists("/.dockerenv"), exists("/run/.containerenv"), getenv("container") != "":
		a.set("container", a["host"])
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
