"""Text, numbers and names as LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

MATH = (
    {"τ": r"\tau", "₂": "_2", "∞": r"\infty", "·": r"\cdot", "±": r"\pm", "−": "-", "×": r"\times"}
    | {"≤": r"\leq", "≥": r"\geq", "→": r"\to", "≈": r"\approx", "²": "^2", "α": r"\alpha", "β": r"\beta"}
    | {"δ": r"\delta", "ε": r"\epsilon", "λ": r"\lambda", "μ": r"\mu", "σ": r"\sigma", "ρ": r"\rho"}
)
CHARACTERS = (
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}"}
    # After a row's end these would be arguments of it.
    | {"[": "{[}", "*": "{*}"}
    | {"–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''"}
    | {character: f"${command}$" for character, command in MATH.items()}
)
# What T1 fonts have beside ASCII under pdfLaTeX: Latin-1's letters, and those of Central Europe.
LETTERS = frozenset(map(chr, range(0xC0, 0x100))) | frozenset(
    "ĄąĆćČčĎďĘęĚěĞğĹĺŁłŃńŇňŐőŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž"
)
DIGITS = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"]
POWER = re.compile(r"·10\^(-?\d+)")
NUMBERS = re.compile(r"[-−\d.,\[\]∞·^ ±()%]*\d[-−\d.,\[\]∞·^ ±()%]*|[–-]|")


class Latex(str):
    """LaTeX source, to be taken as it is."""

    __slots__ = ()


def escape(value: Any) -> Latex:
    """Any text as it is, in text mode under T1 or OT1; what pdfLaTeX has no letter for as its code point.

    Numbers get a minus sign in the place of a hyphen.
    """
    if isinstance(value, Latex):
        return value
    text = unicodedata.normalize("NFC", str(value))
    if is_number(text):
        text = re.sub(r"(?<![\d.^])-(?=[\d∞])", "−", text)
    pieces = POWER.split(text)  # what is between powers of ten, and their exponents, in turn
    return Latex("".join(f"$\\cdot 10^{{{p}}}$" if k % 2 else _plain(p) for k, p in enumerate(pieces)))


def is_number(text: str) -> bool:
    """A number, an interval, a number with its interval, a dash for a missing one, or nothing."""
    return NUMBERS.fullmatch(text) is not None


def _plain(text: str) -> str:
    safe = "".join(map(_character, text))
    for ligature in ("--", ",,", "''"):  # of the text itself; a dash is written above
        if ligature in text:
            safe = safe.replace(ligature, "{}".join(ligature))
    return safe


def _character(character: str) -> str:
    if character in CHARACTERS:
        return CHARACTERS[character]
    if character.isascii():
        return character if character.isprintable() else " "
    return character if character in LETTERS else f"U+{ord(character):04X}"


def name(words: Iterable[object]) -> str:
    """Words as a macro's name without its backslash: letters only, `0.25` as ZeroPointTwoFive."""
    found = []
    for word in words:
        text = unicodedata.normalize("NFKD", str(word))
        text = re.sub(r"(?<=\d)\.(?=\d)", " point ", re.sub(r"(?<![A-Za-z\d])-(?=\d)", " minus ", text))
        text = re.sub(r"\d", lambda digit: f" {DIGITS[int(digit[0])]} ", text)
        found += [part[0].upper() + part[1:] for part in re.findall(r"[A-Za-z]+", text)]
    return "".join(found)
