#!/usr/bin/env python3
"""A second reader of the protocol in docs/protocol.md: small, complete, and free to be copied.
Python 3.8 or newer with its standard library, and git on the PATH; nothing else.

    bridge_reader.py vectors docs/vectors   checks itself by the test vectors of the protocol
    bridge_reader.py queue bridge.git       prints what is pending, cancelled and expired
    bridge_reader.py verify bridge.git      compares answers.log with history
All that stands before "The commands" is rules of the protocol. What breaks one raises ValueError."""
import base64, datetime, functools, gzip, hashlib, itertools, json, os, re, subprocess, sys, time
def need(fact, why, code="payload", value=None):
    """`code` is that of a server's refusal; a ValueError without one, from Python itself, is a `payload`."""
    if not fact:
        raise ValueError(code, why)
    return value
# ---- Text. Not strip(), \s, \d or $: they know other white space, other digits, and a last line break ----
WHITE = "\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
MARKS = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"  # escaped in JSON, in no commit
ID = "[0-9a-f]{40}|[0-9a-f]{64}"
NAME = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?"
def one_line(said):  # runs of white space and control characters become one space
    return re.sub(f"[{WHITE}{MARKS}\0-\x1f]+", " ", said).strip(" ")
def excerpt(said, most): return said if len(said) <= most else said[: most - 1] + "…"
def read_utf8(data):
    return need(data[:3] != b"\xef\xbb\xbf", "starts with a byte order mark", value=data.decode("utf-8"))
def duration_ms(said):  # a duration of the settings (`90`, `15m`, `7d`), or None
    found = re.fullmatch(f"[{WHITE}]*([0-9]{{1,9}})([smhdw]?)[{WHITE}]*", said)
    return found and int(found[1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}.get(found[2], 1) * 1000
# ---- JSON is read strictly, because two readers must never see two messages ----
def parse_json(data):
    def unique(pairs):
        keys = {key for key, _ in pairs}
        return need(len(keys) == len(pairs) and "__proto__" not in keys, "has bad keys", value=dict(pairs))
    need(len(re.findall(rb'[{[]|"(?:\\.|[^"\\])*"', data)) <= 250000, "has too many parts")
    try:
        value = json.loads(read_utf8(data), object_pairs_hook=unique, parse_constant=lambda _: need(0, "NaN"))
        check_json(value)
    except RecursionError:
        need(False, "nests too deep")
    return value
def check_json(value, depth=0):
    if isinstance(value, (dict, list)):
        need(depth < 64, "nests too deep")
        for inner in value if isinstance(value, list) else [*value, *value.values()]:
            check_json(inner, depth + 1)
    elif isinstance(value, str):
        need(not re.search("[\ud800-\udfff]", value), "has half of a surrogate pair")
    elif isinstance(value, (int, float)):
        need(abs(value) <= sys.float_info.max, "has a number that no double holds")
def write_json(value, indent=None):  # the one form of answers.log and beside main; indent=2: inbox.json
    said = json.dumps(value, ensure_ascii=False, indent=indent, separators=(",", ": " if indent else ":"))
    return re.sub(f"[{MARKS}]", lambda found: f"\\u{ord(found[0]):04x}", said)
# ---- Checks: each takes a JSON value and returns it, or raises ----
MAX_WHOLE = 2**53 - 1
def text(least=0, most=MAX_WHOLE, pattern=".*", blank=True):
    return lambda value: need(
        isinstance(value, str) and least <= len(value) <= most and re.fullmatch(pattern, value, re.S)
        and (blank or re.search(f"[^{WHITE}]", value)), "is no string of that form and length", value=value)
def number(least, most, above=False):
    def check(value):
        need(type(value) in (int, float) and least <= value <= most and (value > least or not above), "range")
        return int(value) if value == int(value) else value
    return check
def whole(least=-MAX_WHOLE, most=MAX_WHOLE):
    return lambda value: need(type(number(least, most)(value)) is int, "is no whole number", value=int(value))
def many(item, least=0, most=MAX_WHOLE):
    return lambda value: [item(one) for one in need(
        isinstance(value, list) and least <= len(value) <= most, "is no list of that length", value=value)]
def word(*words):
    return lambda value: need(isinstance(value, str) and value in words, f"is none of {words}", value=value)
def a(kind): return lambda value: need(isinstance(value, kind), f"is no {kind.__name__}", value=value)
def nullable(check): return lambda value: None if value is None else check(value)
def record(fields, also=lambda value: True, more=False):
    """An object of these fields, returned in their order; "?" behind a name: it may be left out."""
    names = {key.rstrip("?"): (check, key.endswith("?")) for key, check in fields.items()}
    def check(value):
        need(all(key in names for key in a(dict)(value)) or more, "has a field that is not known")
        need(all(key in value or optional for key, (_, optional) in names.items()), "lacks a field")
        known = {key: inner(value[key]) for key, (inner, _) in names.items() if key in value}
        return need(also(known), "has fields that do not go together", value=known)
    return check
def instant(value):
    text(pattern=r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{3}Z")(value)
    return datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ") and value
def name(value):
    return need(not re.search(r"\.\.|\.lock\Z", text(pattern=NAME)(value)), "is no ref name", value=value)
# ---- Messages ----
COUNT, COMMIT, SESSION = whole(0), text(pattern=ID), text(pattern="[0-9a-f]{16}")
BACKEND, WORD = text(pattern="[a-z][a-z0-9-]{0,31}"), text(pattern="[a-z][a-z-]{0,31}")
TEXTS = lambda value: record({key: text() for key in a(dict)(value)})(value)
TASK = record({
    "id?": text(1, 128), "prompt?": text(blank=False), "system?": text(), "model?": text(1, 256),
    "messages?": many(record({"role": word("system", "user", "assistant"), "content": text()}), 1),
    "backend?": BACKEND, "reply_to?": COMMIT, "asked_at?": instant, "metadata?": TEXTS,
    "priority?": whole(-10, 10), "timeout_s?": number(0, 604800, above=True), "stream?": a(bool),
    "images?": many(text(1, pattern="([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"), 1, 16),
    "options?": record({
        "temperature?": number(0, 10), "top_p?": number(0, 1), "max_tokens?": whole(1), "num_ctx?": whole(1),
        "seed?": whole(), "stop?": many(text(1), 1, 16)}),
    "local_only?": a(bool), "format?": lambda it: it if isinstance(it, dict) else word("json")(it),
    "request?": record({"path": text(0, 64, "(/[a-z0-9][a-z0-9_-]*)+"), "body": a(dict)})},
    lambda it: 1 == len({"prompt", "messages", "request"} & {*it}) and (
        "id" in it and not {"system", "model", "options", "format", "images", "reply_to"} & {*it}
        if "request" in it else {"user"} & {x["role"] for x in conversation(it)}))
def fits(answer, error, response):  # an error is there exactly where an answer, or a good response, is not
    good = response["status"] < 400 if response else answer is not None
    return good == (error is None) and (good or answer is None)
ANSWER = record({
    "task_hash": text(pattern="[0-9a-f]{64}"), "task_commit": COMMIT, "task_text?": text(0, 4096),
    "model": nullable(text(1, 256)), "backend": nullable(BACKEND), "answer": nullable(text(1)),
    "error": nullable(record({"code": text(pattern="[a-z][a-z0-9_]{0,63}"), "message": text(1)})),
    "response?": record({"status": whole(200, 599), "body": lambda value: value}),
    "created_at": instant, "latency_ms": COUNT, "agent": name, "thinking?": text(),
    "finish_reason?": text(1, 64), "usage?": record({"prompt_tokens?": COUNT, "completion_tokens?": COUNT}),
    "attempts?": whole(1), "cached?": a(bool), "context?": record({"messages": COUNT, "cut": COUNT}),
    "dropped?": many(text(1, 128), 1, 64), "cloud?": a(bool)},
    lambda it: fits(it["answer"], it["error"], it.get("response")) and (it["error"] or it["model"] and
    it["backend"]) and not ("response" in it and it.get("cached")))
CANCEL = record({"task_commit": COMMIT, "reason?": text(0, 1000, blank=False), "cancelled_at": instant})
CLAIM = record({"agent": name, "session": SESSION, "until": instant})
PRESENCE = record({
    "agent": name, "session": SESSION, "state": word("running", "stopped"), "version": text(1, 64),
    "backends": many(BACKEND, 0, 16), "models": many(text(1, 100), 0, 20),
    "loaded?": many(text(1, 100), 1, 8), "parallel": whole(1, 64), "after_s?": whole(1, 2592000),
    "cloud?": a(bool), "busy": many(COMMIT, 0, 16), "work?": many(record({
        "task": COMMIT, "phase": WORD, "since": instant, "model?": text(1, 100)}), 1, 16),
    "started_at": instant, "seen_at": instant})
MODELS = record({"agent": name, "at": instant, "models": many(record({
    "name": lambda it: need(one_line(text(1, 256)(it)) == it, "is no line", value=it), "backend": BACKEND,
    "can": many(WORD, 0, 8)}, lambda it: it["can"] == sorted({*it["can"]})), 0, 200)})
HELLO = record({
    "role": word("agent", "asker"), "protocol": whole(1), "max_task_bytes": whole(1), "writable?": a(bool),
    "max_answer_bytes": whole(1), "task_ttl": text(), "claim_lease?": text(), "features?": many(text()),
    "name": name, "time": lambda t: instant(t if "." in text()(t) else t.replace("Z", ".000Z"))}, more=True)
# How each kind is read, and its most bytes; where bridge-hello says other limits, those of files are these.
KINDS = {"task.txt": (None, 2**23), "task.json": (TASK, 2**23), "inbox.json": (ANSWER, 2**23),
         "cancel.json": (CANCEL, 8192), "claim": (CLAIM, 512), "presence": (PRESENCE, 4096),
         "models": (MODELS, 32768)}
def read(kind, data, limit=None):
    shape, most = KINDS[kind]
    need(len(data) <= (limit or most), "is too large", "limit")
    if shape is None:
        return {"prompt": text(blank=False)(read_utf8(data))}
    value = shape(parse_json(data))  # what stands beside main has one form only
    return need(kind.endswith(".json") or data == write(kind, value), "is in another form", value=value)
def read_hello(line): return HELLO(json.loads(line))
def agent_ref(folder, agent): return f"refs/bridge/{folder}/{name(agent)}"
def read_any(kind, data): return check_commit(data) if kind == "commit" else read(kind, data)
def write(kind, value):  # as this repository writes; of an answer and a cancel any valid JSON will do
    return (write_json(KINDS[kind][0](value), 2 if kind.endswith(".json") else None) + "\n").encode()
def log_line(seq, commit, task, answer, ingested_at):  # `task`: asker, asked_at, metadata if any
    task = {key: dict(sorted(value.items())) if key == "metadata" else value for key, value in task.items()}
    line = {"seq": seq, "commit": commit, **task, **ANSWER(answer), "ingested_at": ingested_at}
    line.get("response", {}).pop("body", None)  # it is in history alone
    return write_json(line) + "\n"
def attempt(rule, *given):  # what a rule returns, and None; or None, and the code of the refusal
    try:
        return rule(*given), None
    except ValueError as error:
        return None, error.args[0] if len(error.args) == 2 else "payload"
def is_reusable(it):
    return not (it["error"] or "response" in it or it.get("finish_reason") in ("length", "repetition"))
def cached_answer(earlier, own):  # `own`: task_hash, task_commit, created_at, agent, latency_ms, …
    taken = ("model", "backend", "answer", "error", "thinking", "finish_reason", "usage", "context", "cloud")
    return ANSWER({**{key: earlier[key] for key in taken if key in earlier}, **own, "cached": True})
REFUSALS = ("stale answered expired unknown-task claimed ref shape principal role author clock limit "
            "payload message internal").split()
ABOUT = r"(?:the owner|[^\s,:]+)(?:, (?P<ref>refs/[^\s,:]+))?(?:, holder (?P<holder>[^\s,:]+))?: "
OLD_ABOUT = r"(?:the owner|[^\s,:]+): (?P<ref>refs/[^\s,:]+): (?:task \w+ is held by (?P<holder>\S+) )?"
def read_refusal(stderr):  # the first refusal in what git printed, or None, with its `ref` and `holder`
    found = re.search(r"llm-bridge refused \[([a-z-]+)\]: ([^\r\n]{0,1000}?); try: ([^\r\n]*)", stderr)
    about = found and (re.match(OLD_ABOUT, found[2]) or re.match(ABOUT, found[2]))
    named = about.groupdict() if about else {}
    return found and {"code": found[1] if found[1] in REFUSALS else "internal", "text": found[2].strip(),
                      "remedy": found[3].strip(), **{key: named[key] for key in named if named[key]}}
def write_refusal(code, said, remedy, who=None, ref=None, holder=None):
    about = who and who + (ref and f", {ref}" or "") + (holder and f", holder {holder}" or "") + ": "
    parts = [excerpt(one_line(part), 500) for part in ((about or "") + said, remedy)]
    return "llm-bridge refused [%s]: %s; try: %s" % (code, *parts)
# ---- Conversations ----
def conversation(task):
    system = [{"role": "system", "content": task["system"]}] if "system" in task else []
    return system + (task.get("messages") or [{"role": "user", "content": task["prompt"]}])
def question_of(task):  # what task_text and subjects quote: the user's last text, or a request's path
    def text_in(it):
        texts = [part.get("text") if isinstance(part, dict) else part for part in parts_of(it) or [it]]
        return "\n".join(said for said in texts if isinstance(said, str))
    def parts_of(it): return it if isinstance(it, list) else []
    call = task.get("request", {"path": "", "body": task})
    body = call["body"]
    messages = parts_of(body.get("messages")) + parts_of(body.get("input"))
    users = [it for it in messages if isinstance(it, dict) and it.get("role") == "user"]
    said = [it.get("content") for it in users[::-1]] + [body.get("prompt"), body.get("input")]
    return next((it for it in map(text_in, said) if re.search(f"[^{WHITE}]", it)), call["path"])
def model_of(task):  # the model that a task names, or None
    named = task.get("request", {}).get("body", task).get("model")
    return named if isinstance(named, str) and named else None
def estimate_tokens(said):
    units = memoryview(said.encode(f"utf-16-{sys.byteorder[0]}e")).cast("H")
    return -(-sum(1 if unit < 0x250 else 2 if unit < 0x2E80 else 4 for unit in units) // 4)
def continue_conversation(task, turns, is_longer=False, longest=None):
    """The messages for the model, and `context` of the answer; `turns`: task and answer, the newest first."""
    def said(one): return conversation({key: one[key] for key in one if key != "system"})
    def cost(messages): return sum(4 + estimate_tokens(message["content"]) for message in messages)
    with_system = [one for one in (task, *(turn["task"] for turn in turns)) if "system" in one]
    system = conversation(with_system[0])[:1] if with_system else []
    size = min((it for it in (task.get("options", {}).get("num_ctx"), longest) if it), default=4096)
    left = size - task.get("options", {}).get("max_tokens", -(-size // 4)) - cost(system + said(task))
    earlier, cut = [], int(is_longer)
    for turn in turns:
        messages = said(turn["task"]) + [{"role": "assistant", "content": turn["answer"]}]
        left -= cost(messages)
        earlier, cut = (messages + earlier, cut) if left >= 0 else (earlier, cut + len(messages))
    return [system + earlier + said(task), {"messages": len(earlier), "cut": cut}]
# ---- Commits ----
PERSON = "[^<>\n]{1,128} <[^<>\n]{0,254}> [0-9]{1,12} [+-][0-9]{4}"
HEADERS = f"tree (?:{ID})\nparent (?:{ID})\nauthor {PERSON}\ncommitter {PERSON}\n\n"
def compose(subject, lines): return f"{subject}\n\n" + "".join(f"{it}: {lines[it]}\n" for it in lines)
def ask_message(digest, said): return compose(f"ask: {excerpt(one_line(said), 50)}", {"Task-Hash": digest})
def status_of(it):
    return f"error {it['error']['code']}" if it["error"] else "cached" if it.get("cached") else "ok"
def answer_message(answer):
    model = one_line(answer["model"] or "none")
    said = answer["answer"] or f"response {answer.get('response', {}).get('status')}"
    what = status_of(answer) if answer["error"] else excerpt(one_line(said), 50)
    source = f"{model} via {answer['backend']}" if answer["model"] else "no model"
    took = "cached" if answer.get("cached") else f"{answer['latency_ms']} ms"
    return compose(f"answer {answer['task_commit'][:8]}: {what} ({source}, {took})", {
        "Task": answer["task_commit"], "Task-Hash": answer["task_hash"], "Model": model, "Backend":
        answer["backend"] or "none", "Latency-Ms": answer["latency_ms"], "Status": status_of(answer)})
def cancel_message(cancel):
    why = f": {excerpt(one_line(cancel['reason']), 50)}" if "reason" in cancel else ""
    return compose(f"cancel {cancel['task_commit'][:8]}{why}", {"Task": cancel["task_commit"]})
def task_hash(data): return hashlib.sha256(data).hexdigest()
def git_id(how, kind, it): return hashlib.new(how, b"%s %d\0%s" % (kind.encode(), len(it), it)).hexdigest()
def parse_tree(raw, id_bytes):  # name → (mode, id) of a raw tree; a folder's name ends in /, as git sorts
    entries = {}
    while raw:
        head, _, rest = raw.partition(b"\0")
        mode, _, entry = head.partition(b" ")
        entries[entry + b"/" * (mode == b"40000")], raw = (mode, rest[:id_bytes]), rest[id_bytes:]
    return entries
def set_file(parent_tree, file, blob):  # the raw tree of a message: that of its parent with one entry set
    entries = parse_tree(parent_tree, len(blob) // 2)
    entries.pop(file.encode() + b"/", None)
    entries[file.encode()] = (b"100644", bytes.fromhex(blob))
    return b"".join(b"%s %s\0%s" % (mode, key.rstrip(b"/"), it) for key, (mode, it)
                    in sorted(entries.items()))
def write_commit(tree, parent, by, at_ms, message):
    who = f"{by} <{by}@llm-bridge.invalid> {at_ms // 1000} +0000"
    return f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}".encode()
def check_commit(raw):  # what a server demands of the commit of a message
    need(len(raw) <= 16384, "is too large", "limit")
    need(re.match(HEADERS, read_utf8(raw)), "has other headers", "message")
    need(not re.search(f"[{MARKS}\0-\x08\x0b-\x1f]", raw.decode()), "has control characters", "message")
def parse_commit(commit, raw):  # what a reader needs of a commit of history, whoever made it
    head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
    headers = [line.partition(" ")[::2] for line in head.split("\n")]
    first = dict(reversed(headers))
    return {
        "id": commit, "tree": first["tree"], "parents": [value for key, value in headers if key == "parent"],
        "author": first["author"].partition(" <")[0], "trailers": read_trailers(message),
        "at_ms": int(first["committer"].rsplit(" ", 2)[1]) * 1000}
def read_trailers(message):  # of the last paragraph, where all its lines are `Key: value`; keys in any case
    paragraphs = re.split("\n(?:[ \t]*\n)+", message.rstrip("\n\t "))
    lines = paragraphs[-1].split("\n") if len(paragraphs) > 1 else []
    pairs = [re.fullmatch("([A-Za-z0-9-]+)[ \t]*:(.*)", line) for line in lines]
    found = [(pair[1].lower(), pair[2].strip(" \t")) for pair in pairs if all(pairs)]
    return {key: ",".join(value for one, value in found if one == key.lower())
            for key in ("Task", "Task-Hash", "Status")}
# ---- History ----
MESSAGES = {"task.txt": "task", "task.json": "task", "inbox.json": "answer", "cancel.json": "cancel"}
def kind_of(parents, changes):  # the kind of a message, or None; `changes`: path → its mode now, or None
    [(path, mode)] = changes.items() if len(changes) == 1 else [("", None)]
    return MESSAGES.get(path) if parents == 1 and mode else None
def read_history(objects, tip):  # along first parents, the oldest first; `objects`: id → bytes, or None
    chain, before = [], None  # what the edge of a shallow clone changed, nobody knows
    while tip and objects(tip):
        chain.append(parse_commit(tip, objects(tip)))
        tip = next(iter(chain[-1]["parents"]), None)
    for commit in reversed(chain):
        tree = parse_tree(objects(commit["tree"]), len(commit["id"]) // 2)
        changed = {key for key in {**(before or {}), **tree} if before and before.get(key) != tree.get(key)}
        commit["changes"] = {key.decode("utf-8", "replace"): tree.get(key, (None,))[0] for key in changed}
        commit["kind"] = kind_of(len(commit["parents"]), commit["changes"])
        commit["blob"] = tree[changed.pop()][1].hex() if commit["kind"] else None
        before = tree
        yield commit
def read_queue(commits, now_ms, ttl_ms):
    opened, cancelled, good, answered = {}, set(), {}, 0
    for commit in commits:
        kind, task, trailers = commit["kind"], commit["trailers"]["Task"], commit["trailers"]
        if kind == "task":
            opened[commit["id"]] = commit
        elif kind == "answer":
            answered += 1
            asked = opened.pop(task, None)
            if asked and trailers["Status"] in ("ok", "cached"):
                good[" ".join([*asked["changes"], trailers["Task-Hash"]])] = commit["id"]
        elif kind == "cancel" and task in opened:
            cancelled.add(task)
    expired = [key for key in opened if now_ms - opened[key]["at_ms"] > ttl_ms]
    pending = [key for key in opened if key not in expired]
    return {"pending": pending, "expired": expired, "answered": answered, "good_answers": good,
            "cancelled": [key for key in pending if key in cancelled]}
def in_turns(asked, now_ms):  # the order of answering; `asked`: (id, asker, time, its task or {})
    whose = [(it.get("priority", 0), by, it.get("metadata", {}).get("token", "")) for _, by, _, it in asked]
    turn = {one[0]: (-mine[0], whose[:at].count(mine) - max(0, now_ms - one[2]) // 3_600_000)
            for at, (one, mine) in enumerate(zip(asked, whose))}
    return sorted(turn, key=turn.get)
def task_of(objects, one): return attempt(read, *one["changes"], objects(one["blob"]) or b"", MAX_WHOLE)[0]
def read_log(objects, commits):  # the lines that answers.log has to have, each without its ingested_at
    tasks, lines = {}, []
    for one in commits:
        if one["kind"] == "task":
            at = attempt(datetime.datetime.fromtimestamp, one["at_ms"] // 1000, datetime.timezone.utc)[0]
            task = task_of(objects, one) or {}
            tasks[one["id"]] = {"asker": one["author"], "asked_at": at and f"{at:%Y-%m-%dT%H:%M:%S.000Z}",
                                **{key: task[key] for key in ["metadata"] if key in task}}
        blob = objects(one["blob"]) if one["kind"] == "answer" else None
        answer = attempt(read, "inbox.json", blob or b"", MAX_WHOLE)[0]
        if answer:
            task = tasks.get(answer["task_commit"], {"asker": None, "asked_at": None})
            line = log_line(len(lines) + 1, one["id"], task, answer, "")
            lines.append(line[: line.rindex(',"ingested_at":')])
    return lines
def is_rotated(file):
    return bool(re.fullmatch(r"answers(\.log)?[.-][0-9][0-9.:_T-]*(\.log)?(\.backup)?(\.gz)?", file))
def is_within(of, time_ms, now_ms):  # whether a time is right for what it is of, by the server's clock
    ahead = time_ms - now_ms
    return {"claim_allowed": 0 < ahead <= 300_000, "claim_over": ahead <= 0,
            "present": -300_000 <= ahead <= 60_000, "commit_date": -3_600_000 <= ahead <= 600_000}[of]
# ---- The commands ----
def open_main(path):  # the objects of a bridge (id or ref → bytes), and the commits of main
    git = subprocess.Popen(["git", "--git-dir", path, "cat-file", "--batch"], stdin=-1, stdout=-1)
    def ask(id_or_ref):
        git.stdin.write(f"{id_or_ref}\n".encode())
        git.stdin.flush()
        found = git.stdout.readline().decode().split()
        return (found[0], git.stdout.read(int(found[2]) + 1)[:-1]) if len(found) == 3 else (None, None)
    return (lambda key: ask(key)[1]), list(read_history(lambda key: ask(key)[1], ask("refs/heads/main")[0]))
def print_queue(path):
    objects, commits = open_main(path)
    ttl = subprocess.run(["git", "--git-dir", path, "config", "bridge.taskTtl"], stdout=-1).stdout.decode()
    queue = read_queue(commits, time.time() * 1000, duration_ms(ttl) or 604_800_000)
    pending = [(one["id"], one["author"], one["at_ms"], task_of(objects, one) or {}) for one in commits
               if one["id"] in queue["pending"]]
    print(json.dumps({**queue, "pending": in_turns(pending, time.time() * 1000)}, indent=2))
def verify(path):
    wanted, lines = read_log(*open_main(path)), []
    for file in os.scandir(os.path.join(path, "bridge")):
        if file.name == "answers.log" or is_rotated(file.name):
            with (gzip.open if file.name.endswith(".gz") else open)(file.path, "rb") as log:
                lines += [re.sub(',"ingested_at":"[^"]*"}\n$', "", line.decode()) for line in log]
    lines.sort(key=lambda line: int(re.match('{"seq":([0-9]+)', line)[1]))  # the oldest may be thrown away
    for want, line in itertools.zip_longest(wanted[len(wanted) - len(lines) :] if lines else wanted, lines):
        if want != line:
            sys.exit(f"history and the log differ:\n{want}\n{line}")
    print(f"{len(lines)} lines of the log, {len(wanted)} answers in history: they agree")
# ---- The test vectors ----
def data_of(case):  # bytes as the vectors give them: UTF-8, with a part many times, base64 or hex
    if "hex" in case or "base64" in case:
        return bytes.fromhex(case["hex"]) if "hex" in case else base64.b64decode(case["base64"])
    filled = case["before"] + case["fill"] * case["times"] + case["after"] if "fill" in case else case["text"]
    return filled.encode()
def commit_of(case):
    ids = functools.partial(git_id, case["object_format"])
    blob = ids("blob", case["text"].encode())
    tree = set_file(bytes.fromhex(case["parent_tree_hex"]), case["file"], blob)
    commit = write_commit(ids("tree", tree), case["parent"], case["by"], case["at_ms"], case["message"])
    return [blob, tree.hex(), ids("tree", tree), commit.decode(), ids("commit", commit)]
def queue_of(case):
    for one in case["commits"]:
        one["changes"] = {file.lstrip("-"): None if file[0] == "-" else "100644" for file in one["files"]}
        one["kind"] = kind_of(one["parents"], one["changes"])
        one["trailers"] = {"Task": "", "Task-Hash": "", "Status": "", **one.get("trailers", {})}
    return [*read_queue(case["commits"], case["now_ms"], case["ttl_ms"]).values()]
def history_of(case):
    objects = {one["id"]: data_of(one) for one in case["objects"]}
    commits = list(read_history(objects.get, case["tip"]))
    return [*read_queue(commits, case["now_ms"], case["ttl_ms"]).values(), read_log(objects.get, commits)]
def order_of(pending, now_ms):
    def task(it): return attempt(read, it["file"], data_of(it))[0] or {}
    return in_turns([(o["id"], (o.get("bridge"), o["asker"]), o["at_ms"], task(o)) for o in pending], now_ms)
def check_vectors(folder):
    """Runs what index.json lists: a rule, what it is given of a case, and what has to come of it."""
    load = lambda file: json.loads(open(os.path.join(folder, f"{file}.json"), encoding="utf-8").read())
    for row in load("index")["lists"]:
        for case in load(row["file"])[row["list"]]:
            special = {"data": data_of, "case": dict}
            given = [special[key](case) if key in special else key[1:] if key[0] == "=" else case.get(key)
                     for key in row["given"]]
            got, code = attempt(globals()[row["rule"]], *given)
            got = got.decode() if isinstance(got, bytes) else got
            got = {"code": code, "ok": code is None and got is not False}.get(row["wanted"][0], got)
            want = [case.get(key, [] if key == "cancelled" else None) for key in row["wanted"]]
            same = [json.dumps(it, sort_keys=True) for it in (got if len(want) > 1 else [got], want)]
            need(same[0] == same[1], f"{row['file']} {row['list']}, {case.get('name')}: {same}")
    print("all vectors are met")
if __name__ == "__main__":
    {"vectors": check_vectors, "queue": print_queue, "verify": verify}[sys.argv[1]](sys.argv[2])
