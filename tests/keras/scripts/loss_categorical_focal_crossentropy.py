"""Loss CategoricalFocalCrossentropy, on probabilities and on logits"""

import keras
from keras import layers

result = {}
for name, activation, loss in (
    ("plain", "softmax", "categorical_focal_crossentropy"),
    ("sigmoid", "sigmoid", keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=1.0)),
    ("logits", "linear", keras.losses.CategoricalFocalCrossentropy(from_logits=True, label_smoothing=0.1)),
):
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(3, activation=activation)]
    )
    start(model)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
    history = model.fit(x, rows, epochs=5, batch_size=16, shuffle=False, verbose=0)
    result[name] = {"history": history.history, "outputs": model.predict(x, verbose=0)}
