"""A device that is none: what PyTorch refuses to mix on a GPU is refused here, on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

PRETENDED = torch.device("cuda", 0)

_MAKERS = {
    getattr(torch, name)
    for name in (
        "arange", "empty", "eye", "full", "linspace", "ones", "rand", "randint", "randn",
        "randperm", "tensor", "as_tensor", "zeros", "empty_like", "full_like", "ones_like",
        "zeros_like", "rand_like", "randn_like",
    )
}  # fmt: skip
_INDEXING = {Tensor.__getitem__, Tensor.__setitem__}
_TO_NUMPY = {Tensor.numpy, Tensor.__array__}
_ACROSS = {Tensor.copy_, Tensor.to, Tensor.cpu, Tensor.cuda, Tensor.data.__set__}  # type: ignore[attr-defined]
_OF_MODULES = "_has_compatible_shallow_copy_type"  # which a module asks when it moves


class PretendDevice(TorchFunctionMode):
    """Within it, tensors that are moved to "cuda" stay where they are, marked as if they were not.

    A function that takes marked tensors beside unmarked ones of at least one dimension raises
    RuntimeError, as does ``numpy()`` of a marked one, except where PyTorch allows it on a GPU:
    copies, and indices from the processor.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do what the function does, and keep the account of devices."""
        kwargs = dict(kwargs or {})
        if func in (Tensor.device.__get__, Tensor.is_cuda.__get__):  # type: ignore[attr-defined]
            marked = is_marked(args[0])
            on_gpu = func == Tensor.is_cuda.__get__  # type: ignore[attr-defined]
            return marked if on_gpu else PRETENDED if marked else func(*args, **kwargs)
        tensors = list(_tensors([args, kwargs]))
        name = resolve_name(func) or str(func)
        if func in _TO_NUMPY and is_marked(args[0]) and not kwargs.get("force"):
            raise TypeError(f"{name}: can't convert a tensor of a GPU")
        wanted = _device_among(func, args, kwargs)
        free = func in _ACROSS or func in _MAKERS or _OF_MODULES in name
        if not free:
            self._demand_one_device(func, name, args, tensors)
        marked = any(map(is_marked, tensors)) if wanted is None else wanted.type == "cuda"
        if func is Tensor.copy_ or func == Tensor.data.__set__:  # type: ignore[attr-defined]
            marked = is_marked(args[0]) or (func != Tensor.copy_ and is_marked(args[1]))
        args, kwargs = _on_processor(func, args, kwargs)
        result = func(*args, **kwargs)
        if func == Tensor.data.__set__:  # type: ignore[attr-defined]
            _mark(args[0], marked)
        for tensor in _tensors(result):
            if (
                wanted is not None
                and any(tensor is own for own in tensors)
                and (is_marked(tensor) != marked)
            ):
                return _mark(tensor.view_as(tensor), marked)  # moved: another tensor
            _mark(tensor, marked)
        return result

    @staticmethod
    def _demand_one_device(func: Any, name: str, args: Any, tensors: list[Tensor]) -> None:
        if func in _INDEXING and is_marked(args[0]):
            tensors = [args[0], *(args[2:] if func is Tensor.__setitem__ else ())]
            tensors = [each for each in tensors if isinstance(each, Tensor)]
        sized = {is_marked(each) for each in tensors if each.ndim or is_marked(each)}
        if len(sized) > 1:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device")


def is_marked(tensor: Tensor) -> bool:
    """Whether a tensor is on the pretended device."""
    return getattr(tensor, "_pretended", False)


def _mark(tensor: Tensor, marked: bool) -> Tensor:
    tensor._pretended = marked  # type: ignore[attr-defined]
    return tensor


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


def _device_among(func: Any, args: Any, kwargs: dict[str, Any]) -> torch.device | None:
    """The device that a call names, which its result is on."""
    named: Any = kwargs.get("device")
    if func is Tensor.cpu:
        named = "cpu"
    elif func is Tensor.cuda:
        named = "cuda"
    elif func is Tensor.to and named is None:
        kinds = (torch.device, str, Tensor)
        named = next((each for each in args[1:] if isinstance(each, kinds)), None)
    elif func in _MAKERS and named is None and not any(isinstance(a, Tensor) for a in args):
        named = "cpu"
    if isinstance(named, Tensor):
        named = "cuda" if is_marked(named) else "cpu"
    return None if named is None else torch.device(named)


def _on_processor(func: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The same call with the pretended device left out."""
    if kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda":
        kwargs["device"] = "cpu"
    if func is Tensor.cuda:
        return args[:1], {}
    if func is Tensor.to:
        args = tuple(
            torch.device("cpu")
            if isinstance(a, (torch.device, str)) and torch.device(a).type == "cuda"
            else a
            for a in args
        )
    return args, kwargs
