"""Verifies a JSONL export of the audit trail: a second implementation of
docs/audit-format.md, with nothing but the standard library.

usage: verify.py PUBLIC_KEY < export.jsonl
It prints "ok <entries> <signed>" or the first thing that is wrong. A key that a
key.rotated entry vouches for counts as the one given.
"""
import base64, hashlib, hmac, json, sys

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


def read_key(text):
    name, key_hash, key = text.split("+", 2)
    key = base64.b64decode(key)
    if hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() != key_hash or key[0] != 1:
        fail("not an Ed25519 key")
    return name, key_hash, key[1:]


def signed_by(keys, note):
    """Whether one of the keys has signed the note."""
    text, signatures = note.split("\n\n")
    for s in signatures.splitlines():
        _, who, blob = s.split(" ")
        blob = base64.b64decode(blob)
        for name, key_hash, key in keys:
            if who == name and blob[:4].hex() == key_hash and ed25519(key, (text + "\n").encode(), blob[4:]):
                return True
    return False


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def main():
    keys, rotations = [read_key(sys.argv[1])], []
    edge, size, signed = [], 0, 0  # edge: (level, hash), the largest subtree first
    for line in sys.stdin:
        o = json.loads(line)
        if o["type"] == "checkpoint":
            text = o["note"].split("\n\n")[0]
            origin, n, root = (text + "\n").split("\n")[:3]
            top = edge[-1][1]
            for _, h in reversed(edge[:-1]):
                top = node(h, top)
            if int(n) != size or base64.b64decode(root) != top:
                fail("the tree is not the one of the checkpoint")
            for _ in rotations:  # a key may be vouched for by one that a later entry makes known
                for statement in rotations:
                    if signed_by(keys, statement):
                        keys += [k for k in map(read_key, statement.split("\n")[2:4]) if k not in keys]
            if signed_by(keys, o["note"]):
                signed = size
            if not signed:
                fail("the checkpoint is not signed by the key")
            continue
        leaf = json.loads(o["leaf"])
        facts = {"v": 1, "entry": leaf["id"], "entry_sha256": hashlib.sha256(o["leaf"].encode()).hexdigest(), "db_time": o["db_time"]}
        if "xid" in o:
            facts["xid"] = o["xid"]
        seal = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        if o["idx"] != size or seal != o["seal"]:
            fail("entry %d is not the one that was sealed" % o["idx"])
        gone = set(o.get("erased", []))
        for section, commitment in leaf["c"].items():
            s = o.get("sections", {}).get(section)
            if s is None:
                if section not in gone:
                    fail("entry %d lacks section %s" % (size, section))
                continue
            mac = hmac.new(base64.b64decode(s["salt"]), s["body"].encode(), hashlib.sha256).digest()
            if base64.b64encode(mac).decode() != commitment:
                fail("section %s of entry %d was altered" % (section, size))
        if leaf["kind"] == "key.rotated" and leaf["facts"]["statement"].startswith("sqlwitness/key-rotated\n"):
            rotations.append(leaf["facts"]["statement"])
        level, h = 0, hashlib.sha256(b"\0" + seal.encode()).digest()
        while edge and edge[-1][0] == level:
            h, level = node(edge.pop()[1], h), level + 1
        edge.append((level, h))
        size += 1
    print("ok", size, signed)


main()
