"""scikit-learn's own tests of its MLPs, from the installed package, with nnc's classes in place of theirs."""

import inspect
from pathlib import Path

import pytest

neural_network = pytest.importorskip("sklearn.neural_network")

pytestmark = pytest.mark.filterwarnings("ignore")

# Tests that cannot pass here, and the private attribute that they use.
PRIVATE = {"test_gradient": "the method _loss_grad_lbfgs, with the lists of arrays that it works in"}

SOURCE = Path(neural_network.__file__).parent / "tests" / "test_mlp.py"
if not SOURCE.exists():
    pytest.skip("scikit-learn is installed without its tests", allow_module_level=True)

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
TEXT = SOURCE.read_text(encoding="utf-8")
names = {}
exec(
    compile(TEXT.replace(IMPORT, "from nnc.sklearn import MLPClassifier, MLPRegressor\n"), SOURCE, "exec"),
    names,
)
TESTS = {
    name: value for name, value in names.items() if name.startswith("test_") and inspect.isfunction(value)
}
globals().update({name: test for name, test in TESTS.items() if name not in PRIVATE})


@pytest.fixture
def global_random_seed():
    """scikit-learn's own is in its conftest."""
    return 42


def test_they_are_about_nnc():
    assert IMPORT in TEXT
    assert names["MLPClassifier"].__module__ == names["MLPRegressor"].__module__ == "nnc.sklearn.mlp"
    assert PRIVATE.keys() < TESTS.keys()
    assert len(TESTS) >= 43 and len(PRIVATE) == 1
