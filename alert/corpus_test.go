package alert

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestScenarios plays the corpus and prints how good the alerts are:
//
//	go test ./alert -run TestScenarios -v -scenarios FOLDER
func TestScenarios(t *testing.T) {
	list := scenarios(t, *scenariosFlag)
	rules, delays := map[string]*tally{}, map[string][]time.Duration{}
	benign, dupes, wrong := 0, 0, 0
	for _, sc := range list {
		if sc.Benign {
			benign++
		}
		t.Run(strings.ReplaceAll(sc.Name, " ", "_"), func(t *testing.T) {
			p := play(t, sc, "")
			for _, f := range p.faults {
				t.Errorf("%s: %s: %s", sc.file, sc.Name, f)
			}
			for r, n := range p.rules {
				if rules[r] == nil {
					rules[r] = &tally{}
				}
				rules[r].hit, rules[r].missed, rules[r].false = rules[r].hit+n.hit, rules[r].missed+n.missed, rules[r].false+n.false
			}
			for r, d := range p.delays {
				delays[r] = append(delays[r], d...)
			}
			dupes, wrong = dupes+p.dupes, wrong+p.wrong
		})
	}
	var all tally
	var table strings.Builder
	for _, r := range slices.Sorted(maps.Keys(rules)) {
		n := rules[r]
		all.hit, all.missed, all.false = all.hit+n.hit, all.missed+n.missed, all.false+n.false
		fmt.Fprintf(&table, "%-22s %4d %6d %6d %9.3f %7.3f %8s %8s\n", r, n.hit, n.missed, n.false, precision(*n), recall(*n), quantile(delays[r], 0.5), quantile(delays[r], 0.95))
	}
	t.Logf("\n%d scenarios, %d benign (%d %%)\n%-22s %4s %6s %6s %9s %7s %8s %8s\n%sprecision %.3f, recall %.3f, false positives %d, duplicates %d, wrong or missing resolves %d",
		len(list), benign, 100*benign/len(list), "rule", "hit", "missed", "false", "precision", "recall", "p50", "p95", table.String(),
		precision(all), recall(all), all.false, dupes, wrong)
	switch {
	case all.false > 0:
		t.Errorf("%d false positives", all.false)
	case recall(all) < 0.95:
		t.Errorf("recall is %.3f", recall(all))
	case dupes > 0:
		t.Errorf("%d duplicates", dupes)
	}
	if d := quantile(delays[LockPileup], 1); d > time.Second {
		t.Errorf("a pile-up was told of %s after it was one", d)
	}
}

func precision(n tally) float64 { return share(n.hit, n.hit+n.false) }
func recall(n tally) float64    { return share(n.hit, n.hit+n.missed) }

func share(part, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(part) / float64(of)
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[min(int(q*float64(len(d))), len(d)-1)].Round(time.Millisecond)
}

// TestCorpusIsFair keeps the corpus from growing easy: large, mostly benign, and
// with every rule in it.
func TestCorpusIsFair(t *testing.T) {
	list := scenarios(t, "testdata/scenarios")
	benign, expected := 0, map[string]int{}
	for _, sc := range list {
		if sc.Benign {
			benign++
		}
		for _, x := range sc.Expect {
			expected[x.Rule]++
		}
	}
	if len(list) < 80 || 100*benign < 60*len(list) {
		t.Errorf("%d scenarios, of which %d are benign: want 80 and 60 %%", len(list), benign)
	}
	for _, r := range Rules() {
		if expected[r] < 2 {
			t.Errorf("%s is expected %d times: want 2", r, expected[r])
		}
	}
}

// TestEveryGuardIsNeeded takes each guard away and wants a scenario to fail.
func TestEveryGuardIsNeeded(t *testing.T) {
	list := scenarios(t, "testdata/scenarios")
	for _, g := range guards {
		t.Run(string(g), func(t *testing.T) {
			for _, sc := range list {
				if p := play(t, sc, g); len(p.faults) > 0 {
					t.Logf("without it fails: %s: %s", sc.Name, p.faults[0])
					return
				}
			}
			t.Fatal("no scenario fails without it")
		})
	}
}

// TestTheWorldIsNotSoTidy plays the corpus in ways that change nothing of what
// somebody has to hear: the same alerts come of it, and nobody is told twice.
func TestTheWorldIsNotSoTidy(t *testing.T) {
	for name, test := range map[string]struct {
		v       variant
		renamed []string
	}{
		"everything twice":     {v: variant{times: 2}},
		"three replicas":       {v: variant{copies: 3}},
		"everything late":      {v: variant{late: 400 * time.Millisecond}},
		"on the other side":    {v: variant{zone: time.FixedZone("", 13*60*60+45*60)}},
		"twice as many queue":  {v: variant{crowd: 2}},
		"another database":     {v: variant{base: "läger-2"}, renamed: []string{`"app: `, `"läger-2: `}},
		"tables are renamed":   {renamed: []string{"orders", "bestelling_é"}},
		"versions are renamed": {renamed: []string{`version: "0042_add_idx"`, `version: "20261124_v"`, "0042_add_idx", "20261124_v"}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			for _, sc := range scenarios(t, "testdata/scenarios", test.renamed...) {
				for _, f := range playVariant(t, sc, test.v).faults {
					t.Errorf("%s: %s: %s", sc.file, sc.Name, f)
				}
			}
		})
	}
}

// TestTheDocumentedScenarios plays the examples of docs/alert-scenarios.md.
func TestTheDocumentedScenarios(t *testing.T) {
	page, err := os.ReadFile("../docs/alert-scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, n := t.TempDir(), 0
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if strings.HasPrefix(block, "name:") {
			n++
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n, ".yaml")), []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	list := scenarios(t, dir)
	if len(list) != 2 {
		t.Errorf("%d scenarios: want 2", len(list))
	}
	for _, sc := range list {
		for _, f := range play(t, sc, "").faults {
			t.Errorf("%s: %s", sc.Name, f)
		}
	}
}
