"""Losses and metrics of probabilities that are exactly 0 or 1"""

import keras

y = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], np.float32)
p = np.array([[0.0, 1.0], [0.0, 1.0], [0.25, 0.75], [1.0, 0.0]], np.float32)
result = {}
for name in (
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
):
    result[name] = [float(value) for value in getattr(keras.losses, name)(reduction="none")(y, p)]
sparse = keras.losses.SparseCategoricalCrossentropy(reduction="none")
result["sparse"] = [float(value) for value in sparse(y.argmax(axis=1), p)]
for name in ("BinaryCrossentropy", "CategoricalCrossentropy", "KLDivergence", "Poisson"):
    metric = getattr(keras.metrics, name)()
    metric.update_state(y, p)
    result[f"metric {name}"] = float(metric.result())
