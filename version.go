package sqlwitness

import "runtime/debug"

// Version of the sqlwitness module that the program was built with; "(devel)"
// where it was built from its own source.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	const module = "github.com/sqlwitness/sqlwitness"
	for _, dep := range info.Deps {
		if dep.Path == module {
			if dep.Replace != nil && dep.Replace.Version != "" {
				return dep.Replace.Version
			}
			return dep.Version
		}
	}
	return "(devel)"
}
