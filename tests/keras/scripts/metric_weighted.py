"""weighted_metrics together with metrics, with sample_weight and class_weight"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
    weighted_metrics=["acc", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")],
)
history = model.fit(
    x,
    ids,
    epochs=5,
    batch_size=16,
    shuffle=False,
    verbose=0,
    class_weight={0: 3.0, 2: 0.5},
    validation_data=(x[:20], ids[:20], weights[:20]),
)
result = {"history": history.history, "evaluated": model.evaluate(x, ids, verbose=0, sample_weight=weights)}
