#!/usr/bin/env python3
"""Breaks docs/reference/bridge_reader.py in one place after another, and runs it over docs/vectors each time:
a vector has to notice. What no vector notices, and equivalents.json does not explain, is printed.

    python3 test/mutation/mutate_reader.py [K/N]    prints the figure (of each Nth mutant from the Kth on);
                                                    exit code 1 where it is below 90 %

All of it runs in one process. `npm run mutate` runs it, and the same over src/protocol."""
import ast
import contextlib
import io
import json
import pathlib
import re
import resource
import signal
import sys
import time
import warnings

ROOT = pathlib.Path(__file__).parents[2]
READER = ROOT / "docs" / "reference" / "bridge_reader.py"
VECTORS = ROOT / "docs" / "vectors"
EQUIVALENTS = json.loads((ROOT / "test" / "mutation" / "equivalents.json").read_text(encoding="utf-8"))["reader"]
LEAST = 0.9
# What one mutant may take of the processor: several times what all vectors take.
MAX_CPU_S = 30

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}
SUMS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Pow: ast.Mult}
STRIPPED = ("strip", "rstrip", "lstrip", "lower")


def is_pattern(text):
    """Regular expressions are broken a character at a time; other texts as a whole."""
    return bool(re.search(r"[\[\]{}]|\\", text)) or any(ord(char) > 0x7E or ord(char) < 0x20 for char in text[:-1])


def constants(value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value - 1]
    if isinstance(value, bytes):
        return [value + b"x"]
    if isinstance(value, str) and is_pattern(value):
        found = []
        for at in range(len(value)):
            shorter = value[:at] + value[at + 1 :]
            # {,9} is {0,9} in Python.
            if shorter not in found and shorter.replace("{,", "{0,") != value.replace("{,", "{0,"):
                found.append(shorter)
        return found
    return [value + "x"] if isinstance(value, str) else []


def variants(node):
    """What may stand in the place of a node, each with a word that says what was done."""
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            ops = [*node.ops[:at], COMPARISONS[type(op)](), *node.ops[at + 1 :]]
            yield "another comparison", ast.Compare(node.left, ops, node.comparators)
    if isinstance(node, ast.BoolOp):
        yield "and for or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for at in range(len(node.values)):
            rest = [*node.values[:at], *node.values[at + 1 :]]
            yield f"without operand {at + 1}", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield "without the sign", node.operand
    if isinstance(node, ast.BinOp) and type(node.op) in SUMS:
        yield "another sum", ast.BinOp(node.left, SUMS[type(node.op)](), node.right)
    if isinstance(node, ast.Constant):
        for value in constants(node.value):
            yield f"{value!r} for it", ast.Constant(value)
    if isinstance(node, ast.IfExp):
        yield "the one side", node.body
        yield "the other side", node.orelse
    if isinstance(node, ast.Slice) and (node.lower or node.upper):
        yield "without the slice", ast.Slice(None, None, None)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STRIPPED:
        yield f"without {node.func.attr}", node.func.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sorted":
        yield "not sorted", ast.Call(ast.Name("list", ast.Load()), node.args[:1], [])
    if isinstance(node, ast.Call):
        for at, keyword in enumerate(node.keywords):
            yield f"without {keyword.arg}", ast.Call(node.func, node.args, [*node.keywords[:at], *node.keywords[at + 1 :]])
    if isinstance(node, ast.comprehension) and node.ifs:
        yield "without the condition", ast.comprehension(node.target, node.iter, [], node.is_async)
    if isinstance(node, (ast.If, ast.While)):
        yield "never", type(node)(ast.Constant(False), node.body, node.orelse)
        if isinstance(node, ast.If):
            yield "always", ast.If(ast.Constant(True), node.body, node.orelse)
    if isinstance(node, (ast.Expr, ast.AugAssign)):
        yield "without the statement", ast.Pass()


def mark_words(tree):
    """Docstrings, and the words of need(): people read them, no vector does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "need":
            for inner in ast.walk(node.args[1]):
                inner.is_words = True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.is_words = node.value.is_words = True
        if isinstance(node, ast.JoinedStr):
            for inner in node.values:
                for part in ast.walk(getattr(inner, "format_spec", None) or ast.Pass()):
                    part.is_words = True


def places(tree, last_line):
    """Each place that holds a node which can be broken: its owner, the field, and the index in a list."""
    def walk(owner, line):
        line = getattr(owner, "lineno", line)
        for field, value in ast.iter_fields(owner):
            for at, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(node, ast.AST) or getattr(node, "is_words", False):
                    continue
                if getattr(node, "lineno", line) < last_line:
                    yield owner, field, at, node, getattr(node, "lineno", line)
                    yield from walk(node, getattr(node, "lineno", line))
    yield from walk(tree, 0)


def put(owner, field, at, node):
    if at is None:
        setattr(owner, field, node)
    else:
        getattr(owner, field)[at] = node


class TooLong(Exception):
    pass


def is_noticed(code):
    def stop(*_):
        raise TooLong

    # By the processor, not by the clock: on a busy machine a clock ends what is only slow.
    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, MAX_CPU_S)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            names = {"__name__": "reader"}
            exec(code, names)
            names["check_vectors"](str(VECTORS))
        return False
    except (Exception, SystemExit):
        return True
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main():
    part, of = map(int, (sys.argv[1] if len(sys.argv) > 1 else "1/1").split("/"))
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    source = READER.read_text(encoding="utf-8")
    lines = source.split("\n")
    last_line = next(at for at, line in enumerate(lines, 1) if line.startswith("# ---- The commands"))
    tree = ast.parse(source)
    mark_words(tree)
    if is_noticed(compile(tree, "reader", "exec")):
        sys.exit("error: the reader does not meet the vectors as it is\ntry: bridge_reader.py vectors docs/vectors")
    began, noticed, explained, survivors = time.monotonic(), 0, 0, []
    used, number = set(), 0
    for owner, field, at, node, line in list(places(tree, last_line)):
        for what, other in variants(node):
            number += 1
            if number % of != part % of:
                continue
            put(owner, field, at, ast.copy_location(other, node))
            ast.fix_missing_locations(tree)
            try:
                code = compile(tree, "reader", "exec")
            except (SyntaxError, ValueError):
                code = None
            if code is not None:
                text = lines[line - 1].strip()
                reason = next((one for one in EQUIVALENTS if one["line"] in text and re.search(one["what"], what)), None)
                if is_noticed(code):
                    noticed += 1
                elif reason is not None:
                    used.add(json.dumps(reason))
                    explained += 1
                else:
                    survivors.append(f"{line}: {what}: {text}")
                    print(survivors[-1], flush=True)
            put(owner, field, at, node)
    for one in EQUIVALENTS if of == 1 else []:
        if json.dumps(one) not in used:
            print(f"equivalents.json explains what is noticed, or not there: {one}")
    share = noticed / (noticed + len(survivors))
    print(
        f"the reader: {noticed + explained + len(survivors)} mutants, {explained} of them equivalent; of the rest "
        f"{noticed} are noticed and {len(survivors)} are not: {share:.1%}, in {time.monotonic() - began:.0f} s"
    )
    sys.exit(0 if share >= LEAST else 1)


main()
