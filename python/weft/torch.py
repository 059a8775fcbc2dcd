"""Layers and models of weft as modules of PyTorch.

    import weft.torch

    reader = weft.make_reader("magep", space, {"channels": 16})
    net = weft.torch.Module(reader)                  # one parameter, names in state_dict(), optimisers of torch
    loss = (net(weights) - target).square().mean()   # weights: {"W1": [batch, channels * taps, axes...], ...}
    loss.backward()

The parameter is torch's on the memory of weft's; forward and backward pass are weft's own. What goes in may need gradients, too.
The CPU alone, and one dtype, which the model is made with.
"""

from __future__ import annotations

import collections.abc
import typing

import torch
from torch.autograd.function import once_differentiable
from torch.utils.dlpack import from_dlpack

import weft

__all__ = ["Module"]

Tensors = dict[str, torch.Tensor]
Call = typing.Callable[[weft.Features], typing.Any]


class _Step(torch.autograd.Function):
    """One call of a model: its tape is kept for the backward pass, and used again by a later call."""

    @staticmethod
    def forward(ctx: typing.Any, module: Module, *tensors: torch.Tensor) -> typing.Any:
        inputs = dict(zip(module._names, tensors))
        ctx.set_materialize_grads(False)
        tape = module._tapes.pop() if module._tapes else weft.Tape()
        module._tell_changes()
        y, leaves = module._run(tape, inputs, any(ctx.needs_input_grad[1:-1]))
        outputs = [y] if isinstance(y, weft.Var) else [y[t.name] for t in y.space.tensors]
        ctx.module, ctx.tape, ctx.outputs, ctx.leaves = module, tape, outputs, leaves
        ctx.kept = tensors  # the tape reads them where they lie
        module._named = None if isinstance(y, weft.Var) else [t.name for t in y.space.tensors]
        return tuple(from_dlpack(v.numpy()) for v in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: typing.Any, *cotangents: torch.Tensor) -> typing.Any:
        tape, module = ctx.tape, ctx.module
        if tape is None:
            raise weft.AutogradError("[torch] a second backward pass over one call, whose numbers are gone; call the module again")
        asked = [(y, c) for y, c in zip(ctx.outputs, cotangents) if c is not None and y.requires_grad]
        if not asked:
            return (None,) * (1 + len(ctx.kept))
        tape.backward([y for y, _ in asked], [c.contiguous() for _, c in asked])
        inputs: list[torch.Tensor | None] = [None] * (len(ctx.kept) - 1)
        if ctx.leaves is not None:
            inputs = [from_dlpack(tape.grad(leaf)) for leaf in ctx.leaves]
        own = from_dlpack(module.model.take_flat_gradients()) if ctx.needs_input_grad[-1] else None
        ctx.outputs = ctx.leaves = ctx.tape = None  # what they hold is the next call's
        tape.reset()
        module._tapes.append(tape)
        return (None, *inputs, own)


class Module(torch.nn.Module):
    """A model or a layer of weft, called with {name: tensor [batch, channels * taps, axes...]}, or with a sequence of them in
    the order of the space's tensors. It gives what the model gives: a tensor, or a dict of tensors by name.

    All that is trained is one parameter, `flat`, on which an optimiser's step takes less than on many small ones. state_dict()
    has its parts by weft's names, as views, and named_views() gives those of the parameter and of its gradient.

    model: one that has its memory (Module.init(), make_reader()). space: of what goes in; of a Reader its own. call: what is
    computed of features, model(x) unless said otherwise. Raises UsageError for a model without a space, or tensors on another
    device; DtypeError where a model is converted (.half(), .to(device)): make it with the dtype.
    """

    def __init__(self, model: weft.Module, space: weft.Space | None = None, call: Call | None = None) -> None:
        super().__init__()
        own = space or getattr(model, "space", None)
        if own is None:
            raise weft.UsageError("[torch] the model does not say what it reads; give its space")
        self.model, self.space = model, own
        self._names = tuple(t.name for t in own.tensors)
        self._call = call
        self._tapes: list[weft.Tape] = []
        self._named: list[str] | None = None
        self._version = -1
        flat = model.flat_parameters
        self.flat = torch.nn.Parameter(torch.from_numpy(flat))
        begin, end = flat.ctypes.data, flat.ctypes.data + flat.nbytes
        self._places: dict[str, tuple[int, torch.Size]] = {}
        self._fixed: Tensors = {}
        for name, array in model.parameters.items():
            if begin <= array.ctypes.data < end:
                self._places[name] = ((array.ctypes.data - begin) // flat.itemsize, torch.Size(array.shape))
            else:
                self._fixed[name] = torch.from_numpy(array)

    def named_views(self, flat: torch.Tensor) -> Tensors:
        """The parts of `flat`, or of another tensor that lies like it (flat.grad), by weft's names."""
        return {name: flat[at : at + shape.numel()].view(shape) for name, (at, shape) in self._places.items()}

    @torch.compiler.disable  # type: ignore[untyped-decorator, unused-ignore]
    def forward(self, x: collections.abc.Mapping[str, torch.Tensor] | collections.abc.Sequence[torch.Tensor]) -> torch.Tensor | Tensors:
        inputs = [x[name] for name in self._names] if isinstance(x, collections.abc.Mapping) else list(x)
        outputs = _Step.apply(self, *inputs, self.flat)
        return outputs[0] if self._named is None else dict(zip(self._named, outputs))

    def _tell_changes(self) -> None:
        """An optimiser, or anybody else, may have written to the parameters since the last call."""
        version = self.flat._version + sum(t._version for t in self._fixed.values())
        if version != self._version:
            self.model.changed()
        self._version = version

    def _run(self, tape: weft.Tape, inputs: Tensors, wanted: bool) -> tuple[typing.Any, list[weft.Var] | None]:
        """What the model gives, and of inputs whose gradients are wanted their variables."""
        arrays = {name: t.detach() for name, t in inputs.items()}
        if isinstance(self.model, weft.Reader) and self._call is None:
            if wanted:
                raise weft.UsageError("[torch] gradients of what a reader is given are not known, for it prepares it; give a layer")
            return self.model.forward(tape, self.model.prepare(arrays)), None
        x = (weft.Features.leaf if wanted else weft.Features.constant)(tape, self.space, arrays)
        call = self._call or typing.cast(Call, self.model)
        return call(x), [x[name] for name in inputs] if wanted else None

    def _apply(self, fn: typing.Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Module:
        for tensor in (self.flat, *self._fixed.values()):
            changed = fn(tensor.detach())
            if changed.dtype != tensor.dtype or changed.device != tensor.device:
                raise weft.DtypeError(
                    f"[torch] {tensor.dtype} on {tensor.device} cannot become {changed.dtype} on {changed.device}, for the memory "
                    "is weft's; allowed: a model that is made with the dtype, on the CPU"
                )
        return self

    def _save_to_state_dict(self, destination: dict[str, typing.Any], prefix: str, keep_vars: bool) -> None:
        destination.update({prefix + name: t for name, t in (self.named_views(self.flat.detach()) | self._fixed).items()})

    def _load_from_state_dict(self, state_dict: typing.Mapping[str, typing.Any], prefix: str, local_metadata: typing.Any, strict: bool,
                              missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str]) -> None:
        own = self.named_views(self.flat.detach()) | self._fixed
        for name, view in own.items():
            given = state_dict.get(prefix + name)
            if given is None:
                missing_keys.append(prefix + name)
            elif given.shape != view.shape:
                error_msgs.append(f"{prefix}{name} has shape {tuple(given.shape)}; allowed: {tuple(view.shape)}")
            else:
                view.copy_(given)
        if strict:
            below = (name for name in state_dict if name.startswith(prefix))
            unexpected_keys.extend(name for name in below if name.removeprefix(prefix) not in own)

    def __reduce_ex__(self, protocol: typing.SupportsIndex) -> typing.NoReturn:
        raise weft.UsageError("[torch] a model of weft is neither copied nor pickled; make another one and give it the state_dict()")
