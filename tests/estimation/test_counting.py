"""FLOPs of real models, where their framework is installed."""

from __future__ import annotations

import sys

import pytest

from lowtide.errors import InputError, MissingExtraError
from lowtide.estimation.counting import count_flops


def test_linear_layer_is_two_for_each_weight_and_row():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(64, 32)
    found = count_flops(layer, torch.zeros(10, 64), backward=True)
    # 2 x 10 x 64 x 32 = 40,960; backward to the weights once more, the input needs no gradient
    assert found.forward_flops == 40_960
    assert found.training_flops == 2 * 40_960
    assert found.n_parameters == 64 * 32 + 32
    assert sum(n for _, n in found.by_operation) == 40_960


def test_convolution_is_two_for_each_multiply_accumulate():
    torch = pytest.importorskip("torch")
    model = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    # 2 x 8 x 3 x 3 x 3 x 16 x 16
    assert count_flops(model, torch.zeros(1, 3, 16, 16)).forward_flops == 2 * 8 * 27 * 256


def test_a_model_of_no_framework_is_refused():
    with pytest.raises(InputError, match="no PyTorch module and no Keras model"):
        count_flops(object(), 1)
    with pytest.raises(InputError, match="give the inputs"):
        count_flops(object())


@pytest.mark.parametrize(("root", "module"), [("torch.nn", "torch"), ("keras.models", "tensorflow")])
def test_missing_framework_names_what_to_install(monkeypatch, root, module):
    model = type("Model", (), {"__module__": root})()
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"lowtide\[{module}\]"):
        count_flops(model, 1)
