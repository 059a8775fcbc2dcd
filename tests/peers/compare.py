"""weft beside PyTorch and Hugging Face: networks that their libraries saved are moved by `weft act`, loaded again and run.
  compare.py WEFT [part of a name...]
Prints a line a network; exits non-zero where one fails."""
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import *  # noqa: E402
from networks import hf, llama, logits, peers  # noqa: E402

SOURCES = pathlib.Path(__file__).resolve().parents[2]
EXACT, DIFFERS = 1e-10, 1e-3
weft, wanted = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
failed = []


class Refused(Exception):
    pass


def call(*arguments, allowed=(0,)):
    done = subprocess.run([weft, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in allowed:
        raise Refused(" ".join(done.stderr.split()) or f"weft {arguments[0]} ended with {done.returncode}")
    return done


def moved(file, *options, seed=7):
    out = file.parent.parent / "moved.safetensors"
    call("act", file, "--out", out, "--seed", seed, "--force", "--quiet", *options)
    return out


def folded_error(peer, model, file, folder, own):
    """How far outputs are from `own` once the network is folded, and then moved by two elements of its larger group; None
    where the text has no folds."""
    out = file.parent.parent / "folded.safetensors"
    config = file.with_name("config.json")
    told = ("--model-config", config) if config.exists() else ()
    if call("fold", file, "--out", out, "--force", "--quiet", *told, allowed=(0, 2)).returncode:
        return None
    changed = out.with_name("folded.config.json")
    told = ("--model-config", changed) if changed.exists() else told
    error = relative(peer.output(peer.load(model, out, folder), True), own)
    for seed in (9, 10):
        rotated = out.with_name("folded.moved.safetensors")
        call("act", out, "--out", rotated, "--seed", seed, "--force", "--quiet", *told)
        error = max(error, relative(peer.output(peer.load(model, rotated, folder), True), own))
    return error


def near_miss(peer, control, folder):
    """The architecture's text with some of its pieces replaced, in a file."""
    text = (SOURCES / "networks/architectures" / f"{peer.text}.weft").read_text()
    for old, new in zip(control[1::2], control[2::2]):
        assert old in text, f"control '{control[0]}': '{old}' is not in the text"
        text = text.replace(old, new)
    path = folder / f"{peer.text}.weft"
    path.write_text(text)
    return path


def still(file, out):
    """The weights that the element left where they were."""
    a, b = floats(file), floats(out)
    return [k for k in b if (a[k] - b[k]).abs().max() < 0.01 * a[k].abs().max()]


def compare(peer, folder):
    torch.manual_seed(0)
    model = randomise(peer.make())
    file = peer.save(model, folder / "double")
    model = peer.load(model, file, folder / "double")
    own, own_wide = peer.output(model), peer.output(model, True)
    error = cast = 0
    for seed in (7, 8):
        out = moved(file, seed=seed)
        other = peer.load(model, out, folder / "double")
        error = max(error, relative(peer.output(other, True), own_wide))
        cast = max(cast, relative(peer.output(other), own))
    unmoved = still(file, out)
    config = file.with_name("config.json")
    told = ("--model-config", config) if config.exists() else ()
    same = call("same", file, out, "--quiet", *told, allowed=range(7)).returncode
    folded = folded_error(peer, model, file, folder / "double", own_wide)
    controls = []
    for control in peer.controls:
        text, differs = near_miss(peer, control, folder), 0
        for seed in range(7, 13):  # of a factor of one place, a random sign may be none
            if differs < DIFFERS:
                other = peer.load(model, moved(file, "--architecture", text, seed=seed), folder / "double")
                differs = max(differs, relative(peer.output(other, True), own_wide))
        controls.append((differs, control[0]))
    torch.manual_seed(0)
    model = randomise(peer.make()).float()
    file = peer.save(model, folder / "single")
    model = peer.load(model, file, folder / "single")
    own = peer.output(model)
    single = relative(peer.output(peer.load(model, moved(file), folder / "single")), own)
    least = min(controls, default=(float("inf"), ""))
    good = error < EXACT and cast < peer.cast and single < peer.single and least[0] > DIFFERS and (folded or 0) < EXACT and not same
    text = f"{error:.1e}  {cast:.1e}  {single:.1e}  " + ("-        " if folded is None else f"{folded:.1e}  ")
    text += f"{least[0]:.1e} of {len(controls)}" if controls else "-"
    text = f"{text:53}{ {0: 'same', 1: 'no'}.get(same, '-'):10}{', '.join(unmoved[:3]) or 'none'}"
    return good, text + (f" and {len(unmoved) - 3} more" if len(unmoved) > 3 else "")


def line(good, name, text):
    print(f"{'ok  ' if good else 'FAIL'}  {name:27}{text}", flush=True)
    if not good:
        failed.append(name)


def check(name, f):
    with tempfile.TemporaryDirectory() as folder:
        try:
            line(*(lambda r: (r[0], name, r[1]))(f(pathlib.Path(folder))))
        except Exception as error:  # one network's failure leaves the others to be seen
            line(False, name, f"{type(error).__name__}: {error}".replace(folder, "").replace(str(SOURCES), "")[:230])


def write_element(path, element):
    tensors = {}
    for factor, part in element.items():
        for key, values in part.items():
            if key != "kind":
                tensors[f"{factor}.{key}"] = torch.tensor(values, dtype=torch.int32 if key == "order" else torch.float64)
    save_file(tensors, path)


def golden(base, folder):
    """A copy that another implementation moved, from the element that it moved by."""
    told = json.loads(base.with_suffix(".json").read_text())
    (folder / "text.weft").write_text(told["space"])
    (folder / "config.json").write_text(json.dumps(told["config"]))
    write_element(folder / "element.safetensors", told["element"])
    out = folder / "moved.safetensors"
    call("act", base.with_suffix(".safetensors"), "--out", out, "--architecture", folder / "text.weft", "--model-config",
         folder / "config.json", "--element", folder / "element.safetensors", "--quiet")
    ours, theirs = floats(out), floats(base.with_suffix(".moved.safetensors"))
    error = max(((ours[k] - t).abs().max() / t.abs().max()).item() for k, t in theirs.items())
    return error < 1e-12 and ours.keys() == theirs.keys(), f"largest difference {error:.1e}"


def cosines(a, b):
    return {k: torch.nn.functional.cosine_similarity(a[k].flatten(), b[k].flatten(), dim=0).item() for k in b}


def grouped_pair(folder):
    """A Llama of 4 query heads on 2 heads of keys and values, and a copy in which these changed places, each with its
    queries: the same function, as the library says."""
    sizes = llama | dict(num_attention_heads=4, num_key_value_heads=2)
    model, width = randomise(hf.LlamaForCausalLM(hf.LlamaConfig(**sizes))), 2 * sizes["head_dim"]
    for name in ("a", "b"):
        quiet(lambda: model.save_pretrained(folder / name))
    a = load_file(folder / "a/model.safetensors")
    b = {k: v.clone() for k, v in a.items()}
    for name, t in b.items():
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            b[name] = t.view(2, -1, t.shape[1]).flip(0).reshape(t.shape)
        if name.endswith("o_proj.weight"):
            b[name] = t.view(-1, 2, width).flip(1).reshape(t.shape)
    save_file(b, folder / "b/model.safetensors", {"format": "pt"})
    other = quiet(lambda: hf.LlamaForCausalLM.from_pretrained(folder / "b", dtype=torch.float64)).eval()
    with torch.no_grad():
        error = relative(logits(other), logits(model))
    assert error < CAST, f"the library's outputs differ by {error:.1e}"
    return folder / "a/model.safetensors", folder / "b/model.safetensors"


def beside(a, b, element, folder):
    """Each tensor of `a`, moved by the element, beside that of `b`."""
    write_element(folder / "element.safetensors", element)
    out = folder / "moved.safetensors"
    call("act", a, "--element", folder / "element.safetensors", "--out", out, "--quiet")
    ours, old, theirs = floats(out), floats(a), floats(b)

    def cosine(x, k):
        return torch.nn.functional.cosine_similarity(x[k].flatten(), theirs[k].flatten(), dim=0).item()
    after, worst = min(cosine(ours, k) for k in theirs), min(theirs, key=lambda k: cosine(old, k))
    return after > 0.99995, f"least cosine of a tensor with the other's {after:.4f}; as it was {cosine(old, worst):.4f}"


def by_hand(folder):
    a, b = grouped_pair(folder)
    return beside(a, b, {f"kv.{i}": {"order": [[1, 0]]} for i in range(2)}, folder)


def by_same(folder):
    a, b = grouped_pair(folder)
    found = json.loads(call("same", a, b, "--json", allowed=(0, 1)).stdout)
    if "element" not in found:
        return False, f"weft same: {found['decision']}"
    return beside(a, b, found["element"]["factors"], folder)


packages = {n: importlib.metadata.version(n) for n in ("torch", "transformers", "torchvision", "peft", "safetensors")}
print(subprocess.run([weft, "--version"], capture_output=True, text=True).stdout.splitlines()[0])
print(", ".join(f"{n} {v.split('+')[0]}" for n, v in packages.items()))
print(f"""
Outputs of networks that weft act moved, beside their own: the largest difference over the outputs' spread, of two random
elements of the full group. Float64 with the library's casts to float32 taken as float64 (allowed {EXACT:g}), with the
library as it is (5e-07, of Gemma 2 1e-06), float32 (1e-05, of fifty layers 1e-04); of what weft fold made of the network,
as it is and moved by two elements of its larger group ({EXACT:g}); the least error of near misses of the text (more than {DIFFERS:g}).

      network                    float64  as it is float32  folded   near misses        weft same weights that stay""")
for peer in peers:
    if not wanted or any(w.lower() in peer.name.lower() for w in wanted):
        check(peer.name, lambda folder: compare(peer, folder))
if not wanted or "golden" in wanted:
    print("\nCopies of other networks, moved by another implementation, from the elements that it moved by\n")
    shared = pathlib.Path(os.environ.get("WEFT_ARCHITECTURES_DIR", SOURCES.parent / "shared/architectures")) / "golden"
    for path in sorted(shared.glob("*.moved.safetensors")):
        base = path.with_name(path.name.removesuffix(".moved.safetensors"))
        check(base.name, lambda folder: golden(base, folder))
if not wanted or "grouped" in wanted:
    print("\nLlama of 4 query heads on 2 heads of keys and values, which changed places with their queries\n")
    check("by the known element", by_hand)
    check("as weft same finds it", by_same)
print(f"\n{len(failed)} failed" + (": " + ", ".join(failed) if failed else ""))
sys.exit(bool(failed))
