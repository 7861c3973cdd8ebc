"""Loss BinaryFocalCrossentropy, on probabilities and on logits"""

import keras
from keras import layers

result = {}
for name, activation, loss in (
    ("plain", "sigmoid", "binary_focal_crossentropy"),
    ("balanced", "sigmoid", keras.losses.BinaryFocalCrossentropy(True, alpha=0.4, gamma=1.5)),
    ("logits", "linear", keras.losses.BinaryFocalCrossentropy(from_logits=True, label_smoothing=0.1)),
):
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(1, activation=activation)]
    )
    start(model)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
    history = model.fit(x, bits, epochs=5, batch_size=16, shuffle=False, verbose=0)
    result[name] = {"history": history.history, "outputs": model.predict(x, verbose=0)}
