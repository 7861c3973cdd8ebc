"""EarlyStopping(baseline=, start_from_epoch=, min_delta=) and ReduceLROnPlateau(cooldown=, min_lr=)"""

import keras
from keras import layers

early, reduce = keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau
found = []
for callback in (
    early(monitor="val_mae", min_delta=0.05, patience=1, mode="min", start_from_epoch=2),
    early(monitor="loss", baseline=0.01, patience=3),
    early("val_loss", patience=2, restore_best_weights=True),
    reduce(monitor="loss", factor=0.2, patience=1, min_delta=0.1, cooldown=1, min_lr=1e-4),
    [reduce("val_loss", 0.5, 1, 0, "auto", 0.01), keras.callbacks.History()],
):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), layers.Dense(1)])
    start(model)
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    history = model.fit(
        x,
        t,
        epochs=12,
        batch_size=16,
        shuffle=False,
        verbose=0,
        callbacks=callback,
        validation_split=0.25,
    )
    rate = float(model.optimizer.learning_rate)
    found.append([history.history, model.predict(x[:4], verbose=0), rate])
result = {"found": found}
