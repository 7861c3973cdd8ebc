"""losses.X(reduction=), called on arrays"""

import keras

made = keras.losses.MeanAbsoluteError
result = {
    "values": [
        float(made(reduction=r)(t, x[:, :1], weights)) for r in ("sum", "sum_over_batch_size", "mean")
    ],
    "by weight": float(made(reduction="mean_with_sample_weight")(t, x[:, :1], weights)),
    "rows": [float(value) for value in made(reduction=None)(t, x[:, :1], weights)],
}
