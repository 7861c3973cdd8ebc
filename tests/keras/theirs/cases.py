"""The part of `keras.src.testing` that Keras's tests use: a TestCase over nnc's objects and NumPy arrays."""

from __future__ import annotations

import itertools
import json
import tempfile
from typing import Any

import numpy as np
from absl.testing import parameterized

import nnc
from nnc._config import deserialize, serialize


class TestCase(parameterized.TestCase):
    """Comparisons of arrays, and the checks that Keras makes of classes and of layers."""

    maxDiff = None

    def setUp(self) -> None:
        nnc.set_random_seed(1337)
        np.random.seed(1337)

    def get_temp_dir(self) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def convert_to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def assertAllClose(
        self, actual: Any, desired: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: Any = None, **_: Any
    ) -> None:
        np.testing.assert_allclose(np.asarray(actual), np.asarray(desired), rtol, atol, err_msg=msg or "")

    def assertNotAllClose(
        self, x1: Any, x2: Any, atol: float = 1e-6, rtol: float = 1e-6, msg: Any = None
    ) -> None:
        self.assertFalse(np.allclose(np.asarray(x1), np.asarray(x2), rtol, atol), msg)

    def assertAlmostEqual(
        self, actual: Any, desired: Any, decimal: int = 3, msg: Any = None, **_: Any
    ) -> None:
        np.testing.assert_almost_equal(np.asarray(actual), np.asarray(desired), decimal, msg or "")

    def assertAllEqual(self, actual: Any, desired: Any, msg: Any = None) -> None:
        np.testing.assert_array_equal(np.asarray(actual), np.asarray(desired), msg or "")

    def assertLen(self, iterable: Any, expected_len: int, msg: Any = None) -> None:
        self.assertEqual(len(iterable), expected_len, msg)

    def run_class_serialization_test(self, instance: Any, custom_objects: Any = None) -> Any:
        """Assert that configurations survive round trips, by the class and through JSON."""
        config = instance.get_config()
        self.assertEqual(type(instance).from_config(config).get_config(), config)
        written = serialize(instance)
        self.assertEqual(json.loads(json.dumps(written)), written)
        again = deserialize(json.loads(json.dumps(written)), instance.family.registry)
        self.assertIs(type(again), type(instance))
        self.assertEqual(again.get_config(), config)
        return again

    def run_layer_test(
        self,
        layer_cls: Any,
        init_kwargs: Any = None,
        input_shape: Any = None,
        input_dtype: Any = None,
        input_data: Any = None,
        call_kwargs: Any = None,
        expected_output_shape: Any = None,
        expected_output_dtype: Any = None,
        expected_output: Any = None,
        expected_num_trainable_weights: int | None = None,
        expected_num_non_trainable_weights: int | None = None,
        run_training_check: bool = True,
        custom_objects: Any = None,
        **_: Any,
    ) -> None:
        """The layer's configuration, shapes, outputs, counts of weights; and that it can be trained.

        What is left out: masks, losses, seed generators, mixed precision, sparse and ragged inputs.
        """
        layer = layer_cls(**(init_kwargs or {}))
        self.run_class_serialization_test(layer)
        if input_data is None and input_shape is None:
            return
        x = np.asarray(input_data) if input_data is not None else _drawn(input_shape, input_dtype)
        inferred = layer.compute_output_shape(x.shape)
        outputs = layer(x, **(call_kwargs or {}))
        self.assertTrue(layer.built)
        for expected, weights in (
            (expected_num_trainable_weights, layer.trainable_weights),
            (expected_num_non_trainable_weights, layer.non_trainable_weights),
        ):
            if expected is not None:
                self.assertLen(weights, expected)
        self.assertEqual(outputs.shape, inferred)
        if expected_output_shape is not None:
            self.assertEqual(outputs.shape, tuple(expected_output_shape))
        if expected_output_dtype is not None:
            self.assertEqual(outputs.dtype.name, expected_output_dtype)
        if expected_output is not None:
            self.assertAllClose(outputs, expected_output, atol=1e-5, rtol=1e-5)
        if run_training_check:
            again = layer_cls(**(init_kwargs or {}))
            model = nnc.Sequential([nnc.Input(x.shape[1:]), again])
            model.compile("sgd", "mse")
            model.fit(x, np.zeros_like(outputs), batch_size=len(x), verbose=0)
            self.assertAllEqual(np.shape(model.predict(x, verbose=0)), outputs.shape)


def _drawn(shape: Any, dtype: Any) -> np.ndarray:
    if dtype is not None and "int" in str(dtype):
        return np.random.randint(0, 2, shape).astype(dtype)
    return np.random.random(shape).astype(dtype or np.float32)


def named_product(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
    """Every combination of one case from each list and of the named values; their names are joined."""
    lists = [*args, *([{"testcase_name": _word(v), key: v} for v in each] for key, each in kwargs.items())]
    found = []
    for chosen in itertools.product(*lists):
        case = {key: value for each in chosen for key, value in each.items()}
        found.append(case | {"testcase_name": "_".join(each["testcase_name"] for each in chosen)})
    return found


def get_test_data(
    train_samples: int, test_samples: int, input_shape: Any, num_classes: int, random_seed: int | None = None
) -> Any:
    """Classes clustered around different points: (x, y) for training, (x, y) for testing."""
    rng = np.random.default_rng(random_seed)
    points = 2 * num_classes * rng.random((num_classes, *input_shape))
    y = rng.integers(0, num_classes, train_samples + test_samples)
    x = (points[y] + rng.normal(size=(len(y), *input_shape))).astype(np.float32)
    return (x[:train_samples], y[:train_samples]), (x[train_samples:], y[train_samples:])


def uses_gpu() -> bool:
    """Whether a backend of Keras uses a GPU: there is none."""
    return False


tensorflow_uses_gpu = jax_uses_gpu = torch_uses_gpu = uses_tpu = uses_gpu


def _word(value: Any) -> str:
    return str(getattr(value, "__name__", value)).lower()
