#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The hot loop of a kernel keeps its sums in registers: fails when it reads or writes a vector
register on the stack. The hot loop is the innermost loop of the function (or of its clones) with
the most multiply-adds: vfmadd*, vpdp*, vdpbf16*, vpmadd*. Called by ctest once per kernel.

  check_spills.py FUNCTION OBJECT...   FUNCTION in one of the objects; exit 77 without objdump
  check_spills.py --fetches OBJECT...  prefetches are still there: gcc may leave them out
  check_spills.py --self-test
"""
import re
import shutil
import subprocess
import sys
from collections import namedtuple

HOT = re.compile(r"^(vfn?m(add|sub)|vpdp|vdpbf16|vpmadd)")
VECTOR = re.compile(r"%[xyz]mm\d+")
FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:$")
LINE = re.compile(r"^\s*([0-9a-f]+):\t(?:[0-9a-f]{2} )*\s*(?:\{\w+\} )?(\S+)\s*(.*)$")
FRAME = re.compile(r"^%rsp,%rbp$")

Instruction = namedtuple("Instruction", "at name operands")


def functions(text):
    """{name: [Instruction]} of a disassembly."""
    out, current = {}, None
    for line in text.splitlines():
        head = FUNCTION.match(line)
        if head:
            current = out.setdefault(head.group(1), [])
        elif current is not None and (found := LINE.match(line)):
            current.append(Instruction(int(found.group(1), 16), found.group(2),
                                       found.group(3).split(" <")[0].split("#")[0].strip()))
    return out


def loops(body):
    """(first, last) addresses of every backward jump within the function, innermost only."""
    start = body[0].at
    found = {(int(i.operands, 16), i.at) for i in body
             if i.name.startswith("j") and re.fullmatch(r"(0x)?[0-9a-f]+", i.operands)
             and start <= int(i.operands, 16) <= i.at}
    return [a for a in found if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in found)]


def hot_loop(body):
    """The instructions of the innermost loop with the most multiply-adds, and their number."""
    best, most = [], 0
    for first, last in loops(body):
        inside = [i for i in body if first <= i.at <= last]
        n_hot = sum(bool(HOT.match(i.name)) for i in inside)
        if n_hot > most:
            best, most = inside, n_hot
    return best, most


def spills(body, inside):
    """Vector instructions of the loop with an operand on the stack. %rbp counts where it is a frame
    pointer; elsewhere it is a register like others."""
    has_frame = any(i.name == "mov" and FRAME.match(i.operands) for i in body)
    stack = re.compile(r"\(%r[sb]p" if has_frame else r"\(%rsp")
    return [i for i in inside if VECTOR.search(i.operands) and stack.search(i.operands)]


def disassemble(path):
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True,
                          text=True, check=True)
    return functions(done.stdout)


def check(function, bodies):
    """Sentences about what is wrong with a function and its clones; prints what is right."""
    name = re.compile(re.escape(function) + r"(\.(?!cold)[\w.-]+)?")
    named = {n: b for n, b in bodies.items() if name.fullmatch(n) and ".cold" not in n and b}
    wrong, n_hot_loops = [], 0
    for n, body in sorted(named.items()):
        inside, n_hot = hot_loop(body)
        n_hot_loops += n_hot > 0
        bad = spills(body, inside)
        if n_hot:
            print(f"{n}: {len(inside)} instructions, {n_hot} multiply-adds in the hot loop, "
                  f"{len(bad)} of a vector on the stack")
        wrong += [f"{n}: {i.at:x}: {i.name} {i.operands}" for i in bad]
    if not n_hot_loops:
        wrong.append(f"{function}: no loop with multiply-adds in {len(named)} functions")
    return wrong


def check_fetches(bodies):
    found = [i.at for body in bodies.values() for i in body if i.name.startswith("prefetch")]
    print(f"{len(found)} prefetches in {len(bodies)} functions")
    return [] if found else ["no prefetch is left: see kernels/cpu/fetch.h"]


SAMPLE = """
0000000000000000 <tile>:
   0:\tpush   %rbp
   1:\tmov    %rsp,%rbp
   4:\tvmovaps %zmm1,-0x40(%rbp)
   8:\tvpdpbusd (%rax),%zmm2,%zmm3
   c:\tvfmadd231ps (%rbx){1to16},%zmm2,%zmm4
  10:\tBAD
  14:\tadd    $0x40,%rax
  18:\tjne    8 <tile+0x8>
  1c:\tvmovaps -0x40(%rbp),%zmm1
  20:\tjmp    4 <tile+0x4>
  24:\tret
"""


def self_test():
    samples = [("nop", False), ("vmovaps %zmm5,-0x80(%rbp)", True),
               ("vmovaps 0x40(%rsp,%rax,1),%ymm5", True), ("mov    %rax,0x8(%rsp)", False),
               ("vpdpbusd 0x8(%rsp){1to16},%zmm1,%zmm2", True), ("vmovaps (%rcx),%zmm5", False)]
    n_right = 0
    for text, is_bad in samples:
        sample = SAMPLE.replace("BAD", text)
        n_right += bool(check("tile", functions(sample))) == is_bad
        if "%rbp" in text:  # no frame pointer: a register like others
            n_right += not check("tile", functions(sample.replace("mov    %rsp,%rbp", "nop")))
    n_right += bool(check("other", functions(SAMPLE)))
    n_right += bool(check_fetches(functions(SAMPLE)))
    n_right += not check_fetches(functions(SAMPLE.replace("BAD", "prefetcht1 0x40(%rdi)")))
    print(f"{n_right} of {len(samples) + 4} right")
    return 0 if n_right == len(samples) + 4 else 1


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if shutil.which("objdump") is None:
        print("no objdump here")
        return 77
    bodies = {}
    for path in sys.argv[2:]:
        bodies.update(disassemble(path))
    is_fetches = sys.argv[1] == "--fetches"
    wrong = check_fetches(bodies) if is_fetches else check(sys.argv[1], bodies)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
