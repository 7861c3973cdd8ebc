"""scikit-learn estimators trained by nnc: drop-in MLPs, and any `nnc.Sequential` as an estimator.

Needs scikit-learn 1.9 (``pip install "nnc[sklearn]"``); ``import nnc`` does not load it.

>>> from nnc.sklearn import MLPClassifier, MLPRegressor
>>> MLPClassifier(alpha=0.01, dropout=0.2)
MLPClassifier(alpha=0.01, dropout=0.2)
"""

from __future__ import annotations

from nnc._arguments import suggest_arguments
from nnc.sklearn.mlp import MLPClassifier, MLPRegressor
from nnc.sklearn.sequential import SequentialClassifier, SequentialRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "SequentialClassifier", "SequentialRegressor"]

suggest_arguments(globals())
