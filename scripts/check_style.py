# SPDX-License-Identifier: Apache-2.0
"""Style checks; see check_style.sh. Every rule is one function from (path, lines) to findings."""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOTS = ["host", "kernels", "models", "tests", "bench"]
SOURCES = {".c", ".h", ".cu", ".cuh"}
FORBIDDEN = re.compile(r"(^|_)(common|misc|util|utils|helper|helpers)(_|\.|$)")
OPEN_END = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME)\b(?!.*#\d+)")
OPENING = re.compile(r"^[A-Za-z_].*\)$")  # a function's head ends; its body opens on the next line


def file_limit(path):
    if path.name == "ops.h":
        return 400
    if path.name == "main.c":
        return 150
    return {".cu": 500, ".h": 150}.get(path.suffix, 400)


def check_file_length(path, lines):
    limit = file_limit(path)
    if len(lines) > limit:
        yield 1, f"file length: found {len(lines)} lines, limit {limit}"


def check_columns(path, lines):
    for n, line in enumerate(lines, 1):
        if len(line.expandtabs(8)) > 100:
            yield n, f"columns: found {len(line)}, limit 100"
        if "\t" in line:
            yield n, "indentation: found a tab, expected 4 spaces"


def check_licence(path, lines):
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:3]):
        yield 1, "licence: no SPDX line in the first three lines"
    elif path.suffix in SOURCES and not lines[0].startswith("/* SPDX"):
        yield 1, "preface: the file must open with /* SPDX ... and say what it is for"


def check_guard(path, lines):
    if path.suffix != ".h":
        return
    want = "BR_" + re.sub(r"[^A-Z0-9]", "_", str(path).upper())
    if not any(line == f"#ifndef {want}" for line in lines):
        yield 1, f"guard: expected {want}"


def check_name(path, lines):
    if FORBIDDEN.search(path.name):
        yield 1, f"name: {path.name} says nothing about what is in it"


def check_open_ends(path, lines):
    for n, line in enumerate(lines, 1):
        if OPEN_END.search(line):
            yield n, "open end without an issue number"


def functions(lines):
    """(first line, last line, head) of each function body that opens at column 0."""
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{" and n > 1 and not lines[n - 2].endswith((";", "=")):
            start = n
        elif line.startswith("}") and start is not None:
            head, at = [], start - 1
            while at > 0 and lines[at - 1].strip() and lines[at - 1][0] not in "}#/ " or (
                at > 0 and lines[at - 1].startswith("    ")):
                head.insert(0, lines[at - 1].strip())
                at -= 1
            yield start, n, " ".join(head)
            start = None


def check_function_length(path, lines):
    limit = 100 if path.suffix in {".cu", ".cuh"} else 60
    for first, last, head in functions(lines):
        n = last - first - 1
        if n > limit:
            yield first, f"function length: found {n} lines, limit {limit}"


def check_parameters(path, lines):
    for first, _, head in functions(lines):
        if re.match(r"\w+ (cuda|nccl|cu)[A-Z]", head):  # a stand-in keeps the parameters
            continue
        inside = head[head.find("(") + 1:head.rfind(")")]
        depth, n = 0, 1
        for c in inside:
            depth += (c == "(") - (c == ")")
            n += c == "," and depth == 0
        if n > 6:
            yield first, f"parameters: found {n}, limit 6 (then a struct)"


BRANCH = re.compile(r"^\s*(?:\}\s*)?(?:else\s+)?(?:if|for|while|switch|do|else)\b")


def check_nesting(path, lines):
    """Branches inside branches, by indentation (clang-format keeps it true)."""
    for first, last, _ in functions(lines):
        stack = []
        for n in range(first + 1, last):
            line = lines[n - 1]
            if not BRANCH.match(line) or line.strip().startswith("} while"):
                continue
            indent = len(line) - len(line.lstrip())
            while stack and stack[-1] >= indent:
                stack.pop()
            stack.append(indent)
            if len(stack) > 3:
                yield n, f"nesting: found {len(stack)}, limit 3"


RULES = [check_file_length, check_columns, check_licence, check_guard, check_name, check_open_ends,
         check_function_length, check_parameters, check_nesting]
SCRIPT_RULES = [check_file_length, check_columns, check_licence, check_name, check_open_ends]


def check(path, shown):
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rules = RULES if path.suffix in SOURCES else SCRIPT_RULES
    for rule in rules:
        for n, text in rule(shown, lines):
            yield f"{shown}:{n}: {text}"


def tracked(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True)
    names = listed.stdout.splitlines() if listed.returncode == 0 else [
        str(p.relative_to(root)) for r in ROOTS + ["scripts"] for p in (root / r).rglob("*")]
    return [Path(n) for n in names if (root / n).is_file()]


def check_folders(paths):
    count = {}
    for path in paths:
        if path.suffix in SOURCES and path.parts[0] in ROOTS:
            count[path.parent] = count.get(path.parent, 0) + 1
    for folder, n in sorted(count.items()):
        if n > 20:
            yield f"{folder}:1: folder: found {n} source files, limit 20 (split by family)"


def check_format(root, paths):
    tool = shutil.which("clang-format")
    sources = [str(p) for p in paths if p.suffix in SOURCES and p.parts[0] in ROOTS]
    if tool is None or not sources:
        return
    done = subprocess.run([tool, "--dry-run", "-Werror", *sources], cwd=root, capture_output=True,
                          text=True)
    for line in done.stderr.splitlines():
        if "error:" in line:
            yield line.split(" error:")[0] + " format: run clang-format -i"


def self_test():
    deep = "".join("    " * (i + 1) + line + "\n"
                   for i, line in enumerate(["if (a)", "for (;;)", "while (b)", "if (c)", "d();"]))
    text = ("/* no licence */\n\tint tab;\n/* TO" + "DO later */\n" + "int long_line = 1;"
            + " " * 90 + "\n"
            + "static void f(int a, int b, int c, int d, int e, int f, int g)\n{\n" + deep
            + "    g();\n" * 70 + "}\n" + "\n" * 400)
    with tempfile.TemporaryDirectory() as name:
        bad = Path(name) / "misc.h"
        bad.write_text(text)
        found = "\n".join(check(bad, Path("host/base/misc.h")))
        script = Path(name) / "helper.py"
        script.write_text("# no licence; TO" + "DO later\n" + "#" * 101 + "\n" * 400)
        of_scripts = "\n".join(check(script, Path("tests/job/helper.py")))
    wanted = ["file length", "columns", "tab", "licence", "guard", "name", "open end",
              "function length", "parameters", "nesting"]
    wanted_of_scripts = ["file length: found 401", "columns", "licence", "name", "open end"]
    missing = [w for w in wanted if w not in found]
    missing += [f"{w} (scripts)" for w in wanted_of_scripts if w not in of_scripts]
    n = len(wanted) + len(wanted_of_scripts)
    print(f"{n - len(missing)} of {n} rules fire; missing: {missing}")
    return 1 if missing else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(".")
    paths = tracked(root)
    findings = list(check_folders(paths)) + list(check_format(root, paths))
    for path in paths:
        if path.suffix in SOURCES and path.parts[0] in ROOTS:
            findings += check(root / path, path)
        elif path.suffix in {".py", ".sh"} or path.name == "CMakeLists.txt":
            findings += check(root / path, path)
    print("\n".join(findings))
    print(f"{len(paths)} files, {len(findings)} findings")
    return 1 if findings else 0


sys.exit(main())
