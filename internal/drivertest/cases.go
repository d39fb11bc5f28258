package drivertest

import "slices"

// cases are all the cases, by what they are about.
func cases() []testCase {
	return slices.Concat(statementCases(), argumentCases(), rowsCases(), txCases(), contextCases(), errorCases(), poolCases())
}
