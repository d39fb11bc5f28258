"""Verifies a JSONL export of the audit trail: a second implementation of
docs/audit-format.md, with nothing but the standard library.

usage: verify.py PUBLIC_KEY < export.jsonl
It prints "ok <entries> <signed>" and exits with 0, or the first thing that is
wrong and 1, or what could not be checked and 2. A key that a key.rotated entry
vouches for counts as the one given, and one that it replaces counts no more.
"""
import base64, hashlib, hmac, json, re, sys

# Ed25519 verification, RFC 8032, section 5.1 and appendix A.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * I % P
    if (x * x - x2) % P:
        return None
    return P - x if x & 1 != sign else x


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = add(q, p)
        p, s = add(p, p), s >> 1
    return q


def decompress(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BY = 4 * pow(5, P - 2, P) % P
BASE = decompress(BY.to_bytes(32, "little"))


def ed25519(public, message, signature):
    a, r = decompress(public), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    p, q = mul(s, BASE), add(r, mul(k, a))
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def fail(what):
    print(what)
    sys.exit(1)


def text_of(b64):
    """The bytes of base64 in its one form."""
    b = base64.b64decode(b64, validate=True)
    if base64.b64encode(b).decode() != b64:
        raise ValueError("not the base64 of anything")
    return b


def canonical(v):
    """RFC 8785, but for numbers, which stay as they are written."""
    if isinstance(v, dict):
        keys = sorted(v, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(canonical(k) + ":" + canonical(v[k]) for k in keys) + "}"
    if isinstance(v, list):
        return "[" + ",".join(map(canonical, v)) + "]"
    return v.text if isinstance(v, Number) else json.dumps(v, ensure_ascii=False)


class Number:
    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def need(good, *what):
    if not good:
        fail(" ".join(map(str, what)))


def string(v):
    need(isinstance(v, str), "not of an export of sqlwitness: a text was expected, not", v)
    return v


class Keys:
    """The public keys that are trusted: the one given, and those it vouches for."""

    def __init__(self, given):
        self.keys, self.replaced = {}, {}  # replaced: by key, the places of the entries that say so
        need(self.learn(given), "not an Ed25519 key")

    def learn(self, text):
        try:
            name, key_hash, key = text.split("+", 2)
            key = text_of(key)
        except ValueError:
            return False
        if hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() != key_hash or key[0] != 1 or len(key) != 33:
            return False
        self.keys.setdefault(name + "+" + key_hash, key[1:])
        return True

    def signers(self, note):
        """The trusted keys that have signed a note; none if one of them has not, or if it is no note."""
        text, _, signatures = note.rpartition("\n\n")
        found = []
        if not signatures.endswith("\n"):
            return []
        for s in signatures[:-1].split("\n"):
            try:
                dash, name, blob = s.split(" ")
                blob = text_of(blob)
            except ValueError:
                return []
            who = name + "+" + blob[:4].hex()
            if dash != "\u2014" or len(blob) < 5:
                return []
            if who in self.keys and who not in found:
                if not ed25519(self.keys[who], (text + "\n").encode(), blob[4:]):
                    return []
                found.append(who)
        return found

    def current(self, names, size):
        """Those of the names whose place no other had taken before a size was reached."""
        return [n for n in names if all(size <= idx + 1 for idx in self.replaced.get(n, []))]

    def stated(self, idx, statement):
        """Takes in a rotation, if a key has signed it that is trusted and current."""
        lines = statement.split("\n\n")[0].split("\n")
        if len(lines) != 4 or lines[0] != "sqlwitness/key-rotated" or not self.current(self.signers(statement), idx + 1):
            return
        for key in lines[2:]:
            self.learn(key)
        self.replaced.setdefault("+".join(lines[2].split("+", 2)[:2]), []).append(idx)


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Log:
    def __init__(self, keys):
        self.keys = keys
        self.edge, self.size, self.signed = [], 0, 0  # edge: (level, hash), the largest subtree first
        self.name, self.names = None, set()  # of the log, and of all that were opened
        self.ids = set()
        self.gone, self.erased = {}, set()  # sections: (entry, name)

    def root(self):
        if not self.edge:
            return hashlib.sha256().digest()
        top = self.edge[-1][1]
        for _, h in reversed(self.edge[:-1]):
            top = node(h, top)
        return top

    def checkpoint(self, note):
        signers = self.keys.signers(note)
        need(signers, "the checkpoint is not signed by the key")
        lines = note.rpartition("\n\n")[0].split("\n")
        need(len(lines) >= 3 and lines[0], "the checkpoint is none")
        need(lines[1] == str(self.size) and text_of(lines[2]) == self.root(), "the tree is not the one of the checkpoint")
        need(self.keys.current(signers, self.size), "the checkpoint is signed by a key whose place another one had taken")
        self.signed = self.size

    def entry(self, o):
        need(type(o["idx"]) is int and o["idx"] == self.size, "entry", self.size, "is not there")
        leaf = json.loads(string(o["leaf"]), parse_int=Number, parse_float=Number)
        need(canonical(leaf) == o["leaf"], "entry", self.size, "is not in canonical form")
        entry, kind = string(leaf["id"]), string(leaf["kind"])
        need(re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", entry), "entry", self.size, "has no id")
        need(entry not in self.ids, "entry", self.size, "is there twice")
        self.ids.add(entry)
        facts = {"v": 1, "entry": entry, "entry_sha256": hashlib.sha256(o["leaf"].encode()).hexdigest(), "db_time": string(o["db_time"])}
        if string(o.get("xid", "")):
            facts["xid"] = o["xid"]
        need(re.fullmatch(r"[ !#-\[\]-~]*", facts["db_time"] + o.get("xid", "")), "entry", self.size, "has no such time, or transaction")
        seal = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        need(seal == o["seal"], "entry", self.size, "is not the one that was sealed")
        self.belongs(kind, leaf)
        self.sections(entry, leaf["c"], o.get("sections", {}))
        self.means(kind, leaf)
        level, h = 0, hashlib.sha256(b"\0" + seal.encode()).digest()
        while self.edge and self.edge[-1][0] == level:
            h, level = node(self.edge.pop()[1], h), level + 1
        self.edge.append((level, h))
        self.size += 1

    def belongs(self, kind, leaf):
        """Checks which log the entry is of, or opens."""
        name = string(leaf.get("log_id", ""))
        if kind != "log.open":
            need(self.size > 0, "the first entry does not say which log it is")
            need(name in self.names or not name, "entry", self.size, "is of another log")
            return
        need(name, "entry", self.size, "opens a log without a name")
        for fact in leaf.get("identity", {}).values():
            string(fact)
        self.names.add(name)
        parent = leaf.get("parent")
        if self.size == 0:
            self.name = name
        elif parent and parent["size"].text == str(self.size):
            need(parent["log_id"] == self.name and text_of(parent["root"]) == self.root(),
                 "the log that entry", self.size, "opens goes on from another one")
            self.name = name

    def sections(self, entry, commitments, sections):
        for name, s in sections.items():
            need(name in commitments, "entry", self.size, "knows nothing of section", name)
            salt = text_of(s["salt"])
            mac = hmac.new(salt, s["body"].encode(), hashlib.sha256).digest()
            need(len(salt) == 32 and base64.b64encode(mac).decode() == commitments[name],
                 "section", name, "of entry", self.size, "was altered")
        for name, commitment in commitments.items():
            need(len(text_of(commitment)) == 32, "entry", self.size, "does not commit to section", name)
            if name not in sections:
                self.gone[entry.replace("-", ""), name] = self.size

    def means(self, kind, leaf):
        """Takes in what the facts say. Whoever may add entries may add any: those of another form say nothing."""
        facts = leaf.get("facts")
        facts = facts if isinstance(facts, dict) else {}
        deleted, statement = facts.get("deleted"), facts.get("statement")
        if kind in ("retention.prune", "retention.erase") and isinstance(deleted, dict):
            for section, entries in deleted.items():
                if isinstance(entries, list):
                    self.erased.update((e, section) for e in entries if isinstance(e, str))
        if kind in ("key.rotated", "log.recovered") and isinstance(statement, str):
            self.keys.stated(self.size, statement)

    def end(self):
        for gone, idx in self.gone.items():
            need(gone in self.erased, "entry", idx, "lacks section", gone[1], "and no entry says that it was erased")
        if not self.signed:
            print("not checked: the export has no checkpoint")
            sys.exit(2)


def main():
    log = Log(Keys(sys.argv[1].strip()))
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        o = json.loads(line.decode())
        need(o["type"] in ("entry", "checkpoint"), "not of an export of sqlwitness:", o["type"])
        if o["type"] == "checkpoint":
            log.checkpoint(string(o["note"]))
        else:
            log.entry(o)
    log.end()
    print("ok", log.size, log.signed)


if __name__ == "__main__":
    try:
        main()
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as e:
        fail("not of an export of sqlwitness: %s %s" % (type(e).__name__, e))
