"""The functions of the census: find Python files, measure each, add up."""

import hashlib
import io
import sysconfig
import tokenize
import zlib
from collections import Counter
from pathlib import Path

PASSED_OVER = {"site-packages", "__pycache__"}


def find(folder, limit=0):
    """Every Python file under ``folder``, sorted; of ``limit`` files that many, spread over all."""
    root = Path(sysconfig.get_paths()["stdlib"] if folder == "stdlib" else folder)
    found = sorted(
        str(path) for path in root.rglob("*.py") if not PASSED_OVER & set(path.relative_to(root).parts)
    )
    if not found:
        raise FileNotFoundError(f"there is no Python file under {root}")
    return found[:: -(-len(found) // limit)] if limit else found


def measure(path):
    """What there is to say of one file; a file that Python cannot read has no tokens."""
    content = Path(path).read_bytes()
    kinds = Counter(_kinds(content))
    return {
        "path": path,
        "bytes": len(content),
        "lines": content.count(b"\n"),
        "tokens": kinds.total(),
        "names": kinds["NAME"],
        "comments": kinds["COMMENT"],
        "compressed": len(zlib.compress(content, 9)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _kinds(content):
    try:
        return [tokenize.tok_name[token.type] for token in tokenize.tokenize(io.BytesIO(content).readline)]
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return []


def add_up(measures, checksums):
    """Totals, the largest files, and one digest by which two censuses can be compared."""
    summed = ("bytes", "lines", "tokens", "names", "comments", "compressed")
    everything = hashlib.sha256(repr(list(zip(measures, checksums, strict=True))).encode())
    largest = sorted(measures, key=lambda one: (-one["tokens"], one["path"]))[:5]
    return {
        "summary": {
            "files": len(measures),
            **{name: sum(one[name] for one in measures) for name in summed},
            "largest": [one["path"] for one in largest],
            "digest": everything.hexdigest(),
        },
        "files": [{**one, "gzip": packed} for one, packed in zip(measures, checksums, strict=True)],
    }
