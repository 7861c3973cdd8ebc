"""optimizer.exclude_from_weight_decay by names and by variables, with AdamW and with clipped SGD"""

import keras
from keras import layers


def network():
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dense(1)]
    )
    start(model)
    return model


by_name = network()
adam = keras.optimizers.AdamW(0.01, weight_decay=0.5)
adam.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
by_name.compile(optimizer=adam, loss="mse")
first = by_name.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)

by_variable = network()
sgd = keras.optimizers.SGD(0.02, momentum=0.9, weight_decay=0.4, global_clipnorm=1.0)
by_variable.compile(optimizer=sgd, loss="mse")
by_variable.evaluate(x, t, verbose=0)
sgd.exclude_from_weight_decay(var_list=[by_variable.layers[0].kernel, by_variable.layers[2].bias])
second = by_variable.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)

plain = network()
plain.compile(optimizer=keras.optimizers.AdamW(0.01, weight_decay=0.5), loss="mse")
third = plain.fit(x, t, epochs=5, batch_size=16, shuffle=False, verbose=0)
result = {
    "histories": [each.history for each in (first, second, third)],
    "weights": [[np.array(w) for w in model.get_weights()] for model in (by_name, by_variable, plain)],
}
