"""Fisher's iris data, bundled with the package as iris.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FEATURE_NAMES = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
CLASS_NAMES = ("setosa", "versicolor", "virginica")

_FILE = Path(__file__).parent / "iris.csv"


def load_iris() -> tuple[np.ndarray, np.ndarray]:
    """Fisher's iris: 150 flowers of three species, four lengths of each.

    The rows are sorted by species (50 setosa, 50 versicolor, 50 virginica): shuffle before splitting.
    ``nnc.datasets.iris.FEATURE_NAMES`` and ``CLASS_NAMES`` contain the names.

    Returns
    -------
    x : ndarray of shape (150, 4), float32
        Sepal length, sepal width, petal length and petal width, in centimetres.
    y : ndarray of shape (150,), int64
        The species: 0 setosa, 1 versicolor, 2 virginica.

    Notes
    -----
    R. A. Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7 (1936),
    179-188. The values are those of the paper, as in R and scikit-learn; the copy in the UCI repository has
    errors in two samples.

    Examples
    --------
    >>> from nnc.datasets import load_iris
    >>> x, y = load_iris()
    >>> x.shape, x.dtype, y.shape
    ((150, 4), dtype('float32'), (150,))
    >>> x[100], y[100]
    (array([6.3, 3.3, 6. , 2.5], dtype=float32), np.int64(2))
    """
    with open(_FILE, encoding="ascii") as file:
        rows = [line.rstrip("\n").split(",") for line in file if not line.startswith("#")][1:]
    x = np.array([row[:4] for row in rows], dtype=np.float32)
    y = np.array([CLASS_NAMES.index(row[4]) for row in rows], dtype=np.int64)
    return x, y
