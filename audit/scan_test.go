package audit

import (
	"bytes"
	"fmt"
	"testing"
)

// Rows that come many at a time are those that come one at a time: values that
// are NULL, empty and large, numbers twice, gaps, and ranges that end within a
// value.
func TestScanPacked(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k, Config{})
			c, err := b.db.Conn(t.Context())
			b.must(err)
			defer c.Close()
			exec1(t, c, fmt.Sprintf(`CREATE TABLE numbered (n bigint, a text, b bytea);
INSERT INTO numbered SELECT n, CASE WHEN n %% 3 > 0 THEN repeat('é"', n %% 5) END, CASE WHEN n %% 7 > 0 THEN decode(repeat('00ff', n), 'hex') END
FROM generate_series(1, %d) n WHERE n NOT BETWEEN 100 AND 200;
INSERT INTO numbered VALUES (150, 'again', ''), (150, 'again', ''), (170, NULL, NULL)`, 5*packSpan))
			read := func(packed bool, start, end int64) []string {
				d := postgres()
				d.packed = packed
				var list []string
				err := d.scan(t.Context(), c, scan{number: "t.n", columns: []string{"t.a", "t.b"}, from: "numbered t"}, start, end, func(n int64, row [][]byte) error {
					list = append(list, fmt.Sprintf("%d %q %v %x", n, row[0], row[1] == nil, row[1]))
					return nil
				})
				b.must(err)
				return list
			}
			for _, r := range [][2]int64{{0, 1}, {-1, 0}, {1, 2}, {0, packSpan}, {1, packSpan + 2}, {95, 210}, {110, 190}, {0, 1 << 12}} {
				plain, packed := read(false, r[0], r[1]), read(true, r[0], r[1])
				if got, want := fmt.Sprint(packed), fmt.Sprint(plain); got != want {
					t.Errorf("from %d to before %d: %.300s\nnot %.300s", r[0], r[1], got, want)
				}
			}
			if n := len(read(true, 0, 1<<12)); n != 5*packSpan-101+3 {
				t.Errorf("%d rows", n)
			}
		})
	}
}

func TestUnpack(t *testing.T) {
	whole := []byte("\x00\x00\x00\x03" + "\x00\x00\x00\x14\x00\x00\x00\x02ab" + "\x00\x00\x00\x19\xff\xff\xff\xff" + "\x00\x00\x00\x11\x00\x00\x00\x00")
	row := make([][]byte, 3)
	rest, err := unpack(append(bytes.Clone(whole), "rest"...), row)
	if err != nil || string(rest) != "rest" || string(row[0]) != "ab" || row[1] != nil || row[2] == nil || len(row[2]) != 0 {
		t.Errorf("%q, %v, %q", row, err, rest)
	}
	for n := range whole {
		if _, err := unpack(whole[:n], row); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(whole))
		}
	}
	for name, b := range map[string]string{
		"columns":         "\x00\x00\x00\x02" + string(whole[4:]),
		"negative length": "\x00\x00\x00\x03\x00\x00\x00\x14\xff\xff\xff\xfeab" + string(whole[14:]),
		"long":            "\x00\x00\x00\x03\x00\x00\x00\x14\x7f\xff\xff\xffab" + string(whole[14:]),
	} {
		if _, err := unpack([]byte(b), row); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
