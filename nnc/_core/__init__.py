"""The compiled core, as seen from Python: `Plan` runs networks, the functions are single kernels.

`binding.pyx` is the binding, built with csrc. Everything has a twin of the same name in `nnc.reference`,
which defines what is computed.
"""

from nnc._core.binding import (
    Plan,
    activation,
    activation_backward,
    ask_to_stop,
    cpu_info,
    dense,
    dense_backward,
    elementary,
    emulated_tiles,
    get_num_threads,
    is_within_owner,
    loss,
    metric,
    raise_signal,
    set_bfloat16,
    set_isa,
    set_num_threads,
    set_threads_here,
    stop_thread,
    update,
    use_all_threads,
)

__all__ = [
    "Plan",
    "activation",
    "activation_backward",
    "ask_to_stop",
    "cpu_info",
    "dense",
    "dense_backward",
    "elementary",
    "emulated_tiles",
    "get_num_threads",
    "is_within_owner",
    "loss",
    "metric",
    "raise_signal",
    "set_bfloat16",
    "set_isa",
    "set_num_threads",
    "set_threads_here",
    "stop_thread",
    "update",
    "use_all_threads",
]
