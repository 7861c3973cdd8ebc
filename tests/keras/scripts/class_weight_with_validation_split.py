"""class_weight does not weight val_loss"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])
start(model)
model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x,
    ids,
    epochs=5,
    batch_size=16,
    shuffle=False,
    verbose=0,
    validation_split=0.25,
    class_weight={0: 1.0, 1: 5.0, 2: 0.5},
)
result = {"history": history.history}
