"""What the comparison with other libraries stands on: random weights, outputs in float64, files as users save them."""
import contextlib
import json
import logging
import os
import pathlib
import shutil
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

torch.set_num_threads(1)


class _Double:
    """`torch` as a library's source sees it, but for float32, which is float64: undoes the library's casts."""

    def __getattr__(self, name):
        return getattr(torch, "float64" if name == "float32" else name)


@contextlib.contextmanager
def wide(model):
    """Runs a library's own forward with its casts to float32 taken as casts to float64."""
    modules = {sys.modules[c.__module__] for x in model.modules() for c in type(x).__mro__
               if c.__module__.startswith("transformers.")}
    saved = [(m, m.torch) for m in modules if getattr(m, "torch", None) is torch]
    keep = torch.Tensor.float
    try:
        for m, _ in saved:
            m.torch = _Double()
        torch.Tensor.float = torch.Tensor.double
        yield
    finally:
        for m, t in saved:
            m.torch = t
        torch.Tensor.float = keep


def quiet(f):
    with open(os.devnull, "w") as null, contextlib.redirect_stderr(null), contextlib.redirect_stdout(null):
        return f()


def randomise(model, seed=0):
    """No parameter or running mean is trivially 0 or 1: matrices N(0, 1/fan_in), embeddings N(0, 1), norms' weights in
    +-[0.5, 1.5], other vectors N(0, 0.25)."""
    g = torch.Generator().manual_seed(seed)

    def normal(t):
        return torch.randn(t.shape, generator=g, dtype=torch.float64)

    with torch.no_grad():
        running = [(name, t) for name, t in model.named_buffers() if "running_" in name]
        for name, t in list(model.named_parameters()) + running:
            low = name.lower()
            embedding = any(w in low for w in ("embed", "shared", "wte", "wpe", "cls_token"))
            norm = any(w in low for w in ("norm", "ln_", "bn", "layer_scale", "downsample.1"))
            if low.endswith("running_var"):
                v = 0.5 + 1.5 * torch.rand(t.shape, generator=g, dtype=torch.float64)
            elif t.ndim >= 2 and embedding and not any(w in low for w in ("patch", "lora", "norm")):
                v = normal(t)
            elif t.ndim >= 2:
                v = normal(t) / (t.shape[-1] if "expert" in low else t[0].numel()) ** 0.5
            elif norm and low.endswith(("weight", "parameter")):
                v = (0.5 + torch.rand(t.shape, generator=g, dtype=torch.float64)) * torch.sign(normal(t))
            else:
                v = 0.5 * normal(t)
            t.copy_(v)
    return model.double().eval()


def state_of(file):
    file = pathlib.Path(file)
    return load_file(file) if file.suffix == ".safetensors" else torch.load(file)


def floats(file):
    """The weights of a file, in float64."""
    return {k: v.double() for k, v in state_of(file).items() if v.is_floating_point()}


def relative(a, b):
    """Largest difference over the outputs' spread."""
    spread = (b - b.mean(0, keepdim=True)).abs().max() if b.ndim and b.shape[0] > 1 else b.abs().max()
    return ((a - b).abs().max() / spread).item()


class Peer:
    """A network of another library: `make()` builds it, `run(model)` gives its outputs. Subclasses save and load it as
    users do. `controls`: (what is wrong, old, new, ...), near misses of the architecture's text that must not keep the
    outputs. `cast`: how far they may be in float64 with the
    library's own casts to float32; `single`: in float32."""

    def __init__(self, name, text, make, run, controls=(), config=None, cast=5e-7, single=1e-5):
        self.name, self.text, self.make, self.run = name, text, make, run
        self.controls, self.config, self.cast, self.single = controls, config, cast, single

    def output(self, model, widened=False):
        with torch.no_grad(), (wide(model) if widened else contextlib.nullcontext()):
            return self.run(model).double()


class Pretrained(Peer):
    """A folder of save_pretrained, read by from_pretrained."""
    file = "model.safetensors"

    def __init__(self, *args, options=None, **rest):
        super().__init__(*args, **rest)
        self.options = options or {}

    def save(self, model, folder):
        quiet(lambda: model.save_pretrained(folder))
        self.kind = type(model)
        return folder / self.file

    def load(self, model, file, folder):
        """The network with the numbers of `file` and all else of `folder`."""
        other = folder.parent / "loaded"
        shutil.rmtree(other, True)
        shutil.copytree(folder, other)
        shutil.copy(file, other / self.file)
        changed = file.with_name("folded.config.json")  # what a fold changes of the config
        if file.stem.startswith("folded") and changed.exists():
            shutil.copy(changed, other / "config.json")
        dtype = model.dtype
        model = quiet(lambda: self.kind.from_pretrained(other, dtype=dtype, **self.options)).eval()
        # What the library rounds to float32 as it loads (a router) is taken as the file has it.
        rounded = [(name, t) for name, t in model.named_parameters() if t.dtype != dtype]
        if rounded:
            stored = load_file(file)
            for name, t in rounded:
                t.data = stored[name].to(dtype)
        return model


class Stored(Peer):
    """A state dict that torch.save wrote."""
    file = "model.pth"

    def save(self, model, folder):
        folder.mkdir()
        torch.save(model.state_dict(), folder / self.file)
        if self.config is not None:
            (folder / "config.json").write_text(json.dumps(self.config))
        return folder / self.file

    def load(self, model, file, folder):
        state = state_of(file)
        for name, t in model.state_dict().items():
            if not t.is_floating_point():
                assert name in state and torch.equal(t, state[name]), f"{name} is another"
        model.load_state_dict(state)
        return model


class Adapter(Pretrained):
    """The file of a PEFT adapter alone; its network stays."""
    file = "adapter_model.safetensors"

    def load(self, model, file, folder):
        import peft
        peft.set_peft_model_state_dict(model, load_file(file))
        return model


__all__ = ["Adapter", "Pretrained", "Stored", "floats", "load_file", "quiet", "randomise", "relative", "save_file", "torch"]
