"""Formulas in x that a study may write, such as `log(0.1 + 0.9 * x)`: parsed and evaluated, never
executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

FUNCTIONS = ("log", "sqrt", "exp")
LONGEST = 200
ALLOWED = f"numbers, x, + - * / **, {', '.join(FUNCTIONS)}"

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def parse(text: str) -> ast.expr:
    """The formula as a tree of nothing but what is `ALLOWED`. Raises ValueError saying what is not."""
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("not a formula") from None
    _check(tree)
    return tree


def evaluate(tree: ast.expr, x: Any, functions: Mapping[str, Callable[[Any], Any]]) -> Any:
    """The value of a parsed formula at x, a float or whatever has these operators; numbers are floats."""
    match tree:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name():
            return x
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](evaluate(operand, x, functions))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](evaluate(left, x, functions), evaluate(right, x, functions))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return functions[name](evaluate(argument, x, functions))
    raise AssertionError("a tree that was not parsed here")


def _check(tree: ast.expr) -> None:
    match tree:
        case ast.Constant(value=value) if type(value) in (int, float):
            return
        case ast.Name(id="x"):
            return
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            _check(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left)
            _check(right)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            _check(argument)
        case _:
            raise ValueError(f"{ast.unparse(tree)!r} is not allowed")
