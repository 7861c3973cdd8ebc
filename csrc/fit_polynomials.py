"""Minimax polynomials of csrc/vec.h and csrc/activations.def, with their errors (needs numpy and mpmath).

Weighted least squares on Chebyshev nodes, with the weights increased where the errors are largest until the
errors are equal (C. L. Lawson, 1961). Run `python csrc/fit_polynomials.py` to print the coefficients, lowest
power first.
"""

import mpmath
import numpy as np

N_NODES = 400
N_ROUNDS = 60


def fit(f, weight, low, high, degree):
    """Minimize max |weight (p - f)| on [low, high] over polynomials p; the error and p's coefficients."""
    t = np.cos(np.pi * (np.arange(N_NODES) + 0.5) / N_NODES)
    x = (high + low) / 2 + (high - low) / 2 * t
    values = np.array([float(f(mpmath.mpf(v))) for v in x])
    weights = np.array([float(weight(mpmath.mpf(v))) for v in x])
    basis = np.vander(t, degree + 1, increasing=True)
    lawson = np.ones(N_NODES)
    best = (np.inf, None)
    for _ in range(N_ROUNDS):
        scale = np.sqrt(lawson) * weights
        coefficients, *_ = np.linalg.lstsq(basis * scale[:, None], values * scale, rcond=None)
        error = np.abs((basis @ coefficients - values) * weights)
        if error.max() < best[0]:
            best = (error.max(), coefficients)
        lawson *= error / error.mean()
        lawson /= lawson.mean()
    return best[0], np.polynomial.Polynomial(best[1], domain=[low, high], window=[-1, 1]).convert().coef


def gelu_tail(u):
    """r(u) = exp(t^2 / 2) Phi(-t) / u, u = 1 / (1 + 0.3 t), t >= 0; Phi of the normal distribution."""
    t = (1 / u - 1) / mpmath.mpf("0.3")
    return mpmath.erfc(t / mpmath.sqrt(2)) * mpmath.exp(t * t / 2) / 2 / u


def main():
    mpmath.mp.dps = 40
    half = float(mpmath.log(2)) / 2 * 1.0001
    root = 0.5**0.5
    tables = {
        "exp: (exp(r) - 1 - r) / r^2": fit(
            lambda r: (mpmath.expm1(r) - r) / r**2 if r else mpmath.mpf(0.5), lambda r: r**2, -half, half, 4
        ),
        "log: (ln(1 + f) - f + f^2 / 2) / f^3": fit(
            lambda f: (mpmath.log1p(f) - f + f * f / 2) / f**3, lambda f: f**2, root - 1, 2 * root - 1, 7
        ),
        "gelu: exp(t^2 / 2) Phi(-t) / u": fit(gelu_tail, lambda u: 1 / gelu_tail(u), 1 / 5.05, 1, 7),
    }
    for name, (error, coefficients) in tables.items():
        print(f"{name}: error {error:.2g}")
        print("   ", ", ".join(f"{np.float32(c):.9e}f" for c in coefficients))


if __name__ == "__main__":
    main()
