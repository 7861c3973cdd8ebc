"""to_json, model_from_json, from_config, clone_model"""

import keras
from keras import layers

model = keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
start(model)
outputs = []
for again in (
    keras.models.model_from_json(model.to_json()),
    keras.Sequential.from_config(model.get_config()),
    keras.models.clone_model(model),
):
    again.set_weights(model.get_weights())
    outputs.append(again.predict(x, verbose=0))
result = {"outputs": outputs}
