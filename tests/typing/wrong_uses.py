"""Mistakes that a type checker reports to a user of nnc. This is not run, but checked: every line with
comments is wrong, and mypy and pyright must report it: a comment that silences nothing is itself an error."""

from __future__ import annotations

import nnc
from nnc import (
    callbacks,
    datasets,
    functional,
    layers,
    losses,
    optimizers,
    plot,
    schedules,
    search,
    tables,
    utils,
)

x, y = datasets.load_iris()
model = nnc.Sequential([layers.Dense(3)])

# ---- keywords that do not exist
nnc.Sequential(layer=[layers.Dense(3)])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
model.compile("adam", lost="mse")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
model.fit(x, y, epoch=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
model.predict(x, verboze=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
losses.MeanSquaredError(reduce="sum")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
callbacks.EarlyStopping(patient=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
plot.history(model.fit(x, y), axis=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

layers.Dense(3, activaton="relu")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
layers.Conv2D(3, 3, pading="same")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
losses.BinaryCrossentropy(from_logit=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# ---- names that do not exist
nnc.Model()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
search.RandomSerch()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]

# ---- arguments of the wrong type
nnc.Sequential(layers.Dense(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
nnc.Input(4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
layers.Dense("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
layers.Dense(3, use_bias="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
layers.Dense(3, activation=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
layers.Dropout("0.5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.add("dense")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.compile(optimizer=0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.fit(x, y, epochs="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.fit(x, y, batch_size=2.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.fit(x, y, class_weight=[1.0, 2.0])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
model.fit(x, y, callbacks=[callbacks.EarlyStopping])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
model.save(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
optimizers.SGD(0.1, momentun=0.9)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
optimizers.SGD("0.1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
schedules.ExponentialDecay("0.1", 10, 0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
nnc.set_num_threads(2.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
nnc.threads("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
nnc.set_random_seed("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
nnc.load_model(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
utils.to_categorical(y, num_classes="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
search.RandomSearch(model, ["units"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
search.integers("1", 3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
tables.markdown("rows")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
functional.dense(x)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

# ---- results of a different type
losses_by_name: list[float] = model.evaluate(x, y, return_dict=True)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong: str = model.predict(x)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
curve: str = model.fit(x, y).history["loss"]  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
count: str = model.count_params()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
rows: list[int] = utils.to_categorical(y)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
model.get_weights().mean()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
model.layer[0]  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
model.fit(x, y).plot()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


class Late(callbacks.Callback):
    def on_epoch_end(self, epoch: str, logs: callbacks.Logs | None = None) -> None:  # type: ignore[override]
        logs["seen"] = 1.0  # type: ignore[index]  # pyright: ignore[reportOptionalSubscript]
        self.model.stop = True  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
