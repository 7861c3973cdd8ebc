"""Continuing a run: checks of the model against the state in a file."""

from __future__ import annotations

from typing import Any

from nnc._config import serialize, shown
from nnc.models.compiled import Compiled
from nnc.models.engine import Engine, EngineState
from nnc.models.stack import Stack
from nnc.models.state import ModelState


def resume(stack: Stack, engine: Engine, n_steps: int | None, state: ModelState, path: str) -> None:
    """Set the engine to the state of a run: its seed, weights, optimizer slots and step count.

    The optimizer object remains the caller's; its learning rate is taken from the file if it is a number,
    since callbacks change it. n_steps: the steps per epoch, if known.

    Raises
    ------
    ValueError
        If the file is from another model or another training run; the message says how they differ.
    """
    mine, theirs = engine.compiled, state.engine.compiled
    optimizer, _ = mine.for_training()
    if theirs.optimizer is None:
        raise ValueError(
            f"resume_from={path!r} holds weights, but no training run to continue: it must be written by "
            "Sequential.save, for a compiled model, or by a ModelCheckpoint without save_weights_only"
        )
    kept, given = _described(state.stack, theirs, state.engine), _described(stack, mine, engine)
    for name, (value, was) in kept.items():
        if value != given[name][0]:
            now = given[name][1]
            raise ValueError(
                f"resume_from={path!r} is from another run: its {name} {was}, this model's {now}"
            )
    position = state.position
    if position is not None and position.n_steps != n_steps:
        raise ValueError(
            f"resume_from={path!r} was saved after step {position.batch} of an epoch of {position.n_steps} "
            f"steps, but an epoch has {n_steps} here: give the same data, batch_size and steps_per_epoch"
        )
    if isinstance(optimizer.learning_rate, float):
        optimizer.learning_rate = theirs.optimizer.learning_rate
    optimizer.iterations = theirs.optimizer.iterations
    of = state.engine
    engine.restore(EngineState(of.seed, of.backend, mine, of.weights, of.slots, of.precision))


def _described(stack: Stack, compiled: Compiled, engine: Engine | EngineState) -> dict[str, tuple[Any, str]]:
    """What must be equal, each with its text in the message, by name."""
    optimizer, loss = compiled.for_training()
    plain: dict[str, Any] = {"input_shape is": stack.input_shape, "number of layers is": len(stack.layers)}
    plain |= {"backend is": engine.backend.name, "precision is": engine.precision}
    watched = compiled.metrics_for(stack.shapes()[1])
    plain |= {"metrics are": [m.name for m in watched.all if m.is_nncs]}  # a file contains no others
    described: dict[str, tuple[Any, str]] = {name: (value, shown(value)) for name, value in plain.items()}
    for i, layer in enumerate(stack.layers):
        described[f"layer {i} is"] = serialize(layer), shown(layer)
    try:
        described["loss is"] = serialize(loss), shown(loss)
    except ValueError:  # a function, which no file contains
        described["loss is"] = None, shown(loss)
    config = serialize(optimizer)
    if isinstance(optimizer.learning_rate, float):
        del config["config"]["learning_rate"]
    return described | {"optimizer is": (config, shown(optimizer))}
