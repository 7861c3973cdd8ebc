"""Metric AUC: ROC, PR, summation, thresholds, logits, weights, in training and stand-alone"""

import keras
from keras import layers

AUC = keras.metrics.AUC
model = keras.Sequential(
    [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(1, activation="sigmoid")]
)
start(model)
model.compile(
    optimizer="adam",
    loss="binary_crossentropy",
    metrics=[
        AUC(name="roc"),
        AUC(curve="PR", name="pr"),
        AUC(num_thresholds=20, summation_method="minoring", name="low"),
        AUC(curve="PR", summation_method="majoring", name="high"),
        AUC(thresholds=[0.2, 0.45, 0.5], name="chosen"),
        AUC(from_logits=True, name="logits"),
    ],
    weighted_metrics=[AUC(name="weighted")],
)
history = model.fit(
    x,
    bits,
    epochs=5,
    batch_size=15,
    shuffle=False,
    verbose=0,
    validation_split=0.25,
    sample_weight=weights,
)
values = []
for options in (
    {},
    {"curve": "PR"},
    {"multi_label": True},
    {"multi_label": True, "label_weights": [1, 2, 0.5]},
):
    metric = AUC(name="a", **options)
    for part in (slice(0, 20), slice(20, 64)):
        metric.update_state(rows[part], abs(signals[part, 0, :]) % 1, sample_weight=weights[part])
    values.append(float(metric.result()))
result = {
    "history": history.history,
    "evaluated": model.evaluate(x, bits, verbose=0, sample_weight=weights),
    "values": values,
}
