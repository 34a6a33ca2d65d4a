"""Measuring functions (Arora, Ge, Liang, Ma, Zhang 2017) against closed forms, and the formulas that name them."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from pipeline import options
from pipeline.documents import describe
from pipeline.objectives import Objective, objective
from pipeline.options.expressions import evaluate, parse

P, Q = [0.36, 0.48, 0.16], [1 / 3] * 3


def measuring(function: str) -> Objective:
    return objective(options.MeasuringFunction(name="measuring_function", function=function))


def payoff(goal: Objective, optimal: list[float]) -> float:
    """E_P phi(D) + E_Q phi(1 - D) for D given on three atoms: the discriminator's loss is its negative, taken
    atom by atom over one real and one generated sample.
    """
    d = torch.tensor(optimal, dtype=torch.float64)
    logits = torch.log(d) - torch.log1p(-d)
    both = [-float(goal.discriminator(logit, logit)) for logit in logits]
    fakes = [float(goal.generator(logit, None)) for logit in logits]
    return sum(p * (v - f) + q * f for p, q, v, f in zip(P, Q, both, fakes, strict=True))


def test_the_logarithm_is_minimax_to_the_last_digit() -> None:
    minimax = objective(options.Minimax(name="minimax"))
    real = torch.cat([torch.linspace(-300, 300, 101), torch.linspace(-3, 3, 100)]).requires_grad_()
    generated = torch.linspace(-250, 350, 77).requires_grad_()
    for function in ("log", "log(x)"):
        goal = measuring(function)
        pairs = [(g.discriminator(real, generated), g.generator(generated, None)) for g in (goal, minimax)]
        for ours, theirs in zip(*pairs, strict=True):
            assert torch.equal(ours, theirs)
        (ours, theirs) = (torch.autograd.grad(d, (real, generated)) for d, _ in pairs)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_identitys_best_payoff_is_one_plus_total_variation() -> None:
    # D = 1 where p > q, else 0. TV = (.36 - 1/3) + (.48 - 1/3) = .173333.
    sure = 1 - 1e-12
    assert payoff(measuring("identity"), [sure, sure, 1 - sure]) == pytest.approx(1.173333, abs=1e-6)
    assert payoff(measuring("identity"), [0.5] * 3) == pytest.approx(1.0)


def test_the_roots_best_payoff() -> None:
    # max over D of p sqrt(D) + q sqrt(1 - D) is sqrt(p^2 + q^2), at D = p^2 / (p^2 + q^2); over the atoms
    # .490623 + .584389 + .369745.
    optimal = [p**2 / (p**2 + q**2) for p, q in zip(P, Q, strict=True)]
    best = payoff(measuring("sqrt"), optimal)
    assert best == pytest.approx(1.444757, abs=2e-6)
    for shift in (-0.05, 0.05):
        assert payoff(measuring("sqrt"), [d + shift for d in optimal]) < best


@pytest.mark.parametrize(
    ("function", "slope"),
    # d E phi(1 - D) / d logit at D = 1/2: -phi'(1/2) / 4.
    [("log", -0.5), ("identity", -0.25), ("sqrt", -math.sqrt(2) / 8), ("log(0.1 + 0.9 * x)", -9 / 22)],
)
def test_slopes_where_the_discriminator_is_undecided(function: str, slope: float) -> None:
    logit = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(measuring(function).generator(logit, None), logit)
    assert float(gradient) == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize("function", ["log", "identity", "sqrt", "log(0.1 + 0.9 * x)", "x ** 0.5 + log(x)"])
@pytest.mark.parametrize("far", [-1000.0, -104.0, 104.0, 1000.0])
def test_values_and_slopes_are_finite_where_the_sigmoid_rounds_to_0_or_1(function: str, far: float) -> None:
    logits = torch.full((2,), far, requires_grad=True)
    goal = measuring(function)
    for loss in (goal.discriminator(logits, logits), goal.generator(logits, None)):
        (gradient,) = torch.autograd.grad(loss, logits)
        assert bool(torch.isfinite(loss))
        assert bool(torch.isfinite(gradient).all())


def test_the_bounded_logarithm_is_bounded() -> None:
    # phi(0) = log .1: a discriminator that is sure and wrong pays 2 log .1 at most.
    wrong = measuring("log(0.1 + 0.9 * x)").discriminator(torch.tensor([-200.0]), torch.tensor([200.0]))
    assert float(wrong) == pytest.approx(-2 * math.log(0.1), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", 0.25),
        ("2 * x - 1", -0.5),
        ("-x ** 2", -0.0625),
        ("log(x) / 2", -0.693147),
        ("exp(+x) - 1", 0.284025),
        ("sqrt(x) + 1e-1", 0.6),
        ("2 ** -1 ** 2 * x", 0.125),
    ],
)
def test_formulas_by_hand(text: str, value: float) -> None:
    assert evaluate(parse(text), 0.25, vars(math)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("identty", "'identty' is not allowed"),
        ("log(y)", "'y' is not allowed"),
        ("log(0.1 +", "not a formula"),
        ("", "not a formula"),
        ("1 / x", "not increasing"),
        ("1", "not increasing"),
        ("x ** 2", "not concave"),
        ("log(-x)", "not a finite number"),
        ("x / (2 * x - 1)", "not a finite number"),
        ("(-1) ** 0.5 * x", "not a finite number"),
        ("9 ** 9 ** 9 ** 9 * x", "not a finite number"),
        ("x if x else 1", "is not allowed"),
        ("__import__('os').remove('x')", "is not allowed"),
        ("(1).__class__", "is not allowed"),
        ("log(x, 2)", "is not allowed"),
        ("True * x", "'True' is not allowed"),
        ("(" * 150 + "x" + ")" * 150, "longer than 200"),
        ("-" * 199 + "x", "not increasing"),
        ("x\n+ 1", "not a formula"),
    ],
)
def test_what_is_no_measuring_function_gets_one_line(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        options.MeasuringFunction(name="measuring_function", function=text)
    message = describe(caught.value)
    reason, _, allowed = message.removeprefix(f"function: {text!r}: ").partition("; allowed: ")
    assert said in reason
    assert allowed.startswith(
        "log, identity, sqrt, or a concave increasing formula of numbers, x, + - * / **"
    )
    assert "\n" not in message
