"""A clock that is days ahead, for programs in a container: no kernel has one for a container alone.

A library that is preloaded answers `time`, `gettimeofday` and `clock_gettime`. It is written here,
byte by byte, so that neither host nor image needs a compiler. Programs that are linked statically,
or that ask the kernel themselves, do not see it; monotonic clocks stay as they are.

The format is that of System V ABI, Edition 4.1, chapters 4 and 5, and its AMD64 supplement.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

MACHINE = "x86_64"
"""As `platform.machine` calls what the code is for."""
DAY_SECONDS = 86_400
LIBRARY = "libclock.so"

_PAGE = 0x1000
_HEADER, _PROGRAM_HEADER, _SYMBOL = 64, 56, 24
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_EXECUTE, _WRITE, _READ = 1, 2, 4
_HASH, _STRINGS, _SYMBOLS, _STRINGS_SIZE, _SYMBOL_SIZE = 4, 5, 6, 10, 11
_GLOBAL_FUNCTION = 0x12


def library(days: int) -> bytes:
    """Return a shared library for x86-64 whose clocks are so many days ahead, or behind."""
    code = _code(struct.pack("<i", days * DAY_SECONDS))
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in code)
    symbols_at = _HEADER + 4 * _PROGRAM_HEADER
    count = len(code) + 1
    hash_at = symbols_at + count * _SYMBOL
    # One bucket, in which each symbol leads to the next; the first stands for none.
    table = struct.pack(f"<{3 + count}I", 1, count, 1, 0, *range(2, count), 0)
    strings_at = hash_at + len(table)
    code_at = -(-(strings_at + len(strings)) // 16) * 16
    symbols, body = bytes(_SYMBOL), b""
    for name, instructions in code.items():
        symbols += struct.pack(
            "<IBBHQQ",
            strings.index(b"\0" + name.encode() + b"\0") + 1,
            _GLOBAL_FUNCTION,
            0,
            1,
            code_at + len(body),
            len(instructions),
        )
        body += instructions
    dynamic = struct.pack(
        "<12Q",
        *(_HASH, hash_at, _STRINGS, strings_at, _SYMBOLS, symbols_at),
        *(_STRINGS_SIZE, len(strings), _SYMBOL_SIZE, _SYMBOL, 0, 0),
    )
    size = code_at + len(body)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(3, 62, 1, 0, _HEADER, 0, 0),
        *(_HEADER, _PROGRAM_HEADER, 4, 64, 0, 0),
    )
    head += _segment(_LOAD, _READ | _EXECUTE, 0, size, _PAGE)
    # A page of its own: the loader writes in it.
    head += _segment(_LOAD, _READ | _WRITE, _PAGE, len(dynamic), _PAGE)
    head += _segment(_DYNAMIC, _READ | _WRITE, _PAGE, len(dynamic), 8)
    head += _segment(_STACK, _READ | _WRITE, 0, 0, 16)
    first = (head + symbols + table + strings).ljust(code_at, b"\0") + body
    return first.ljust(_PAGE, b"\0") + dynamic


def _segment(kind: int, flags: int, at: int, size: int, align: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, align)


def _code(ahead: bytes) -> Mapping[str, bytes]:
    """Return the instructions of each function; `ahead` are the seconds, of four bytes."""
    return {
        "clock_gettime": bytes.fromhex(
            "b8e4000000"  # mov eax, 228 (SYS_clock_gettime)
            "0f05"  # syscall
            "85c0"  # test eax, eax
            "7513"  # jne failed
            "85ff"  # test edi, edi (CLOCK_REALTIME)
            "7405"  # je ahead
            "83ff05"  # cmp edi, 5 (CLOCK_REALTIME_COARSE)
            "7507"  # jne done
            "488106"  # ahead: add qword [rsi], …
        )
        + ahead
        + bytes.fromhex(
            "31c0"  # done: xor eax, eax
            "c3"  # ret
            "b8ffffffff"  # failed: mov eax, -1
            "c3"  # ret
        ),
        "gettimeofday": bytes.fromhex(
            "b860000000"  # mov eax, 96 (SYS_gettimeofday)
            "0f05"  # syscall
            "4885ff"  # test rdi, rdi
            "7407"  # je done
            "488107"  # add qword [rdi], …
        )
        + ahead
        + bytes.fromhex(
            "31c0"  # done: xor eax, eax
            "c3"  # ret
        ),
        "time": bytes.fromhex(
            "57"  # push rdi
            "31ff"  # xor edi, edi
            "b8c9000000"  # mov eax, 201 (SYS_time)
            "0f05"  # syscall
            "5f"  # pop rdi
            "4805"  # add rax, …
        )
        + ahead
        + bytes.fromhex(
            "4885ff"  # test rdi, rdi
            "7403"  # je done
            "488907"  # mov [rdi], rax
            "c3"  # done: ret
        ),
    }
