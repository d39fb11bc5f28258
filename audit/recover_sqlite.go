package audit

// sqliteRecovery has no sessions to ask for: a transaction lives in a process,
// and that of one that has ended is rolled back by the next to open the file.
var sqliteRecovery = recovery{
	id:         func(column string) string { return "hex(" + column + ")" },
	containsIn: func(column, text string) string { return "instr(" + column + ", " + hexQuoted([]byte(text)) + ") > 0" },
	leaf:       "hex(e.leaf)",
	body:       "hex(p.body)",
}
