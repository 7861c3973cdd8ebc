"""Metrics Precision and Recall: thresholds, top_k, class_id, class weights"""

import keras
from keras import layers

Precision, Recall = keras.metrics.Precision, keras.metrics.Recall
model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss="categorical_crossentropy",
    metrics=[
        Precision(name="p"),
        Recall(name="r"),
        Precision(thresholds=0.3, class_id=1, name="p1"),
        Recall(top_k=2, name="r2"),
        Precision(top_k=1, class_id=2, name="p2"),
    ],
    weighted_metrics=[Recall(thresholds=0.2, name="rw")],
)
history = model.fit(x, rows, epochs=5, batch_size=16, shuffle=False, verbose=0, class_weight={0: 2.0, 1: 0.5})
several = Precision(thresholds=[0.7, 0.2, 0.5])
several.update_state(rows, abs(signals[:, 0, :]) % 1, sample_weight=weights)
even = Recall(thresholds=[0.0, 0.5, 1.0])
even.update_state([0, 1, 1, 1], [0.5, 0.2, 0.5, 0.9])
result = {
    "history": history.history,
    "evaluated": model.evaluate(x, rows, verbose=0),
    "several": [float(v) for v in several.result()],
    "even": [float(v) for v in even.result()],
}
