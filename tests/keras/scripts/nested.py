"""Models as layers of a model: an autoencoder of an encoder and a decoder, a frozen base"""

import keras
from keras import layers

deep = keras.Sequential([layers.Dense(5, "tanh"), layers.BatchNormalization()], name="deep")
first = layers.Dense(8, "relu")
encoder = keras.Sequential([keras.Input((6,)), first, deep, layers.Dense(2)], name="encoder")
decoder = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(6)], name="decoder")
model = keras.Sequential([encoder, decoder])
model.build((None, 6))
start(model)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
history = model.fit(x, x, epochs=5, batch_size=16, shuffle=False, verbose=0)
codes = encoder.predict(x, verbose=0)
result = {
    "history": history.history,
    "names": [layer.name for layer in model.layers],
    "inside": [layer.name for layer in model.layers[0].layers if layer.name == "deep"],
    "codes": codes,
    "decoded": decoder.predict(codes, verbose=0),
    "outputs": model.predict(x, verbose=0),
    "parameters": [model.count_params(), encoder.count_params()],
    "weights": len(model.weights),
}

encoder.trainable = False
classifier = keras.Sequential([keras.models.clone_model(encoder), layers.Dense(3, "softmax")])
classifier.layers[0].set_weights(encoder.get_weights())
classifier.layers[0].trainable = False
classifier.build((None, 6))
start(classifier)
classifier.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
tuned = classifier.fit(x, ids, epochs=5, batch_size=16, shuffle=False, verbose=0)
result["tuned"] = tuned.history
result["frozen"] = [len(classifier.trainable_weights), len(classifier.non_trainable_weights)]
result["same"] = [*map(float, classifier.layers[0].get_weights()[0][0])]
