"""FLOPs counted on a real model, with the framework's own counter; torch and Keras are imported when asked for.

A count is of the operations the counter knows: matrix products, convolutions and attention. It stands beside
energy and time, never instead of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lowtide.errors import InputError, MissingExtraError

__all__ = ["CountedFlops", "count_flops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedFlops:
    """Arithmetic of one call of a model.

    Attributes
    ----------
    forward_flops : int
        One multiply-accumulate is two.
    training_flops : int or None
        Forward and backward; None where the counter saw the forward pass alone.
    n_parameters : int
    by_operation : tuple of (str, int)
        Of the forward pass, the largest first.
    counter : str
    """

    forward_flops: int
    training_flops: int | None
    n_parameters: int
    by_operation: tuple[tuple[str, int], ...]
    counter: str


def count_flops(model: Any, *inputs: Any, backward: bool = False) -> CountedFlops:
    """Return the arithmetic of ``model(*inputs)``.

    A PyTorch module, or a Keras model on the torch backend, is counted by ``torch.utils.flop_counter``; a Keras
    model on TensorFlow by TensorFlow's profiler.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
    *inputs
        What the model is called with: tensors, or for TensorFlow one input with its batch.
    backward : bool
        Also run and count the backward pass of the output's sum (torch only).

    Raises
    ------
    InputError
        If the model is of neither framework, or no inputs are given.
    MissingExtraError
        If the framework is not installed.
    """
    if not inputs:
        raise InputError("give the inputs the model is called with: count_flops(model, batch)")
    roots = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    if "torch" in roots:
        return _count_torch(model, inputs, backward)
    if "keras" in roots or "tensorflow" in roots:
        return _count_tensorflow(model, inputs)
    raise InputError(
        f"{type(model).__name__} is no PyTorch module and no Keras model; nothing counts its FLOPs"
    )


def _module(name: str, what: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"counting the FLOPs of {what}", extra=name.partition(".")[0]) from error


def _count_torch(model: Any, inputs: tuple[Any, ...], backward: bool) -> CountedFlops:
    counters = _module("torch.utils.flop_counter", "a PyTorch module")
    counter = counters.FlopCounterMode(display=False)
    with counter:
        output = model(*inputs)
    forward = int(counter.get_total_flops())
    by_operation = {str(op): int(n) for op, n in counter.get_flop_counts().get("Global", {}).items()}
    training = None
    if backward:
        both = counters.FlopCounterMode(display=False)
        with both:
            model(*inputs).sum().backward()
        training = int(both.get_total_flops())
    del output
    return CountedFlops(
        forward_flops=forward,
        training_flops=training,
        n_parameters=sum(int(p.numel()) for p in model.parameters()),
        by_operation=tuple(sorted(by_operation.items(), key=lambda item: -item[1])),
        counter="torch.utils.flop_counter",
    )


def _count_tensorflow(model: Any, inputs: tuple[Any, ...]) -> CountedFlops:
    tensorflow = _module("tensorflow", "a Keras model on TensorFlow")
    convert = _module("tensorflow.python.framework.convert_to_constants", "a Keras model on TensorFlow")
    specs = [tensorflow.TensorSpec(tensorflow.shape(x), x.dtype) for x in inputs]
    function = tensorflow.function(model).get_concrete_function(*specs)
    graph = convert.convert_variables_to_constants_v2(function).graph
    v1 = tensorflow.compat.v1
    options = v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    found = v1.profiler.profile(graph, options=options)
    return CountedFlops(
        forward_flops=int(found.total_float_ops),
        training_flops=None,
        n_parameters=int(model.count_params()),
        by_operation=(),
        counter="tensorflow.compat.v1.profiler",
    )
