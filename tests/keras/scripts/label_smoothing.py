"""Label smoothing, top-k accuracy"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(
    optimizer="adam",
    loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
    metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(k=2)],
)
history = model.fit(x, rows, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {"history": history.history}
